#include "people/device_desk.h"

#include <algorithm>

#include "people/names.h"
#include "people/source_rules.h"

namespace latchkey::people {
namespace {

constexpr std::size_t kConnectorsMax = 100;
constexpr std::size_t kDomainsMax = 100;
constexpr std::size_t kDomainBytesMax = 253;  // RFC 1035 section 2.3.4, as text
constexpr std::uint32_t kUses = store::kUseDeliver | store::kUseList | store::kUseSend;

std::unexpected<Error> wrong(std::string field, std::string text) {
  return fail(ErrorKind::invalid, "invalid_fields", std::move(text), {.field = std::move(field)});
}

std::unexpected<Error> no_such_device() { return fail(ErrorKind::not_found, "no_such_device", "There is no such device."); }

// Small letters, digits, hyphens and dots: the form domains are compared in (RFC 5321 section 2.3.5).
Result<std::string> clean_domain(std::string_view typed) {
  std::string domain;
  for (const char c : typed) domain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const auto is_of_domain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  const bool good = !domain.empty() && domain.size() <= kDomainBytesMax && std::ranges::all_of(domain, is_of_domain) &&
                    domain.front() != '.' && domain.back() != '.' && domain.find("..") == std::string::npos;
  if (!good) return wrong("recipient_domains", "A domain is what stands behind the @, such as example.org.");
  return domain;
}

std::string words_of(const store::Device& device) {
  std::string words = "to ";
  for (const auto& connector : device.connectors) words += (words.size() > 3 ? ", " : "") + connector;
  if (device.connectors.empty()) words += "no connector";
  words += device.allowed_sources.empty() ? ", from anywhere" : ", from ";
  for (std::size_t i = 0; i < device.allowed_sources.size(); ++i) words += (i > 0 ? ", " : "") + device.allowed_sources[i];
  return words + (device.enabled ? "" : "; switched off");
}

}  // namespace

Task<Result<void>> DeviceDesk::check_connectors(std::vector<std::string> ids) {
  if (ids.size() > kConnectorsMax) co_return wrong("connectors", "At most a hundred connectors.");
  for (const auto& id : ids) {
    const auto connector = co_await parts_.store.connector(id);
    if (!connector) co_return std::unexpected(connector.error());
    if (!*connector) co_return wrong("connectors", "There is no connector " + id + ".");
    if ((*connector)->account != store::AccountKind::fixed) {
      co_return wrong("connectors", "The connector " + id + " delivers to the account of whoever shows a PIN, and a device has none. Choose one "
                                    "with a fixed account.");
    }
  }
  co_return Result<void>{};
}

Task<Result<void>> DeviceDesk::take(store::Device& device, DeviceChange change) {
  if (change.name) {
    auto name = new_username(*change.name);
    if (!name) co_return wrong("name", name.error().text);
    device.name = std::move(name->text);
    device.name_key = std::move(name->key);
  }
  if (change.connectors) {
    std::ranges::sort(*change.connectors);
    const auto twice = std::ranges::unique(*change.connectors);
    change.connectors->erase(twice.begin(), twice.end());
    if (auto good = co_await check_connectors(*change.connectors); !good) co_return good;
    device.connectors = std::move(*change.connectors);
  }
  if (change.sources) {
    if (const auto rules = SourceRules::parse(*change.sources); !rules) co_return std::unexpected(rules.error());
    device.allowed_sources = std::move(*change.sources);
  }
  if (change.recipient_domains) {
    if (change.recipient_domains->size() > kDomainsMax) co_return wrong("recipient_domains", "At most a hundred domains.");
    device.recipient_domains.clear();
    for (const auto& typed : *change.recipient_domains) {
      auto domain = clean_domain(typed);
      if (!domain) co_return std::unexpected(domain.error());
      device.recipient_domains.push_back(std::move(*domain));
    }
  }
  if (change.uses) {
    if ((*change.uses & ~kUses) != 0) co_return wrong("uses", "A device may have the uses deliver, list and send; never token.");
    device.uses = *change.uses;
  }
  if (change.enabled) device.enabled = *change.enabled;
  co_return Result<void>{};
}

Task<Result<void>> DeviceDesk::commit(store::Device& device, Actor actor, std::string action, std::string detail) {
  parts_.seal.vouch(device);
  auto entry = audit_entry(parts_.wall.now(), actor, std::move(action), device.name, {}, std::move(detail));
  const auto done = co_await parts_.store.commit({store::PutDevice{device}, store::AppendAudit{std::move(entry)}});
  if (done) device.version += 1;
  if (!done && done.error().reason == "gone") co_return no_such_device();
  if (!done && done.error().reason == "exists" && done.error().field == "name") {
    co_return fail(ErrorKind::conflict, "device_name_taken", "A user or another device has this name already.", {.field = "name"});
  }
  co_return done;
}

Task<Result<store::Device>> DeviceDesk::read(DeviceId id) {
  auto device = co_await parts_.store.device(id);
  if (!device) co_return std::unexpected(device.error());
  if (!*device) co_return no_such_device();
  if (const auto sound = parts_.seal.check(**device); !sound) co_return std::unexpected(sound.error());
  co_return std::move(**device);
}

Task<Result<DeviceWithSecret>> DeviceDesk::add(NewDevice wish, Actor actor) {
  const auto now = parts_.wall.now();
  store::Device device;
  device.id = DeviceId::make(now, parts_.entropy);
  device.created_at = device.secret_set_at = now;
  auto taken = co_await take(device, {.name = std::move(wish.name),
                                      .connectors = std::move(wish.connectors),
                                      .sources = std::move(wish.sources),
                                      .recipient_domains = std::move(wish.recipient_domains),
                                      .uses = wish.uses,
                                      .enabled = wish.enabled});
  if (!taken) co_return std::unexpected(taken.error());
  auto secret = make_device_secret(wish.secret, parts_.entropy);
  device.secret_hash = parts_.seal.hash_of(device.id, secret);
  if (auto done = co_await commit(device, std::move(actor), "device.added", words_of(device)); !done) co_return std::unexpected(done.error());
  co_return DeviceWithSecret{.device = std::move(device), .secret = std::move(secret)};
}

Task<Result<store::Device>> DeviceDesk::change(DeviceId id, DeviceChange change, Actor actor) {
  auto device = co_await read(id);
  if (!device) co_return device;
  if (auto taken = co_await take(*device, std::move(change)); !taken) co_return std::unexpected(taken.error());
  if (auto done = co_await commit(*device, std::move(actor), "device.changed", words_of(*device)); !done) co_return std::unexpected(done.error());
  co_return device;
}

Task<Result<DeviceWithSecret>> DeviceDesk::renew_secret(DeviceId id, SecretForm form, Actor actor) {
  auto device = co_await read(id);
  if (!device) co_return std::unexpected(device.error());
  auto secret = make_device_secret(form, parts_.entropy);
  device->secret_hash = parts_.seal.hash_of(device->id, secret);
  device->secret_set_at = parts_.wall.now();
  if (auto done = co_await commit(*device, std::move(actor), "device.secret_renewed", {}); !done) co_return std::unexpected(done.error());
  co_return DeviceWithSecret{.device = std::move(*device), .secret = std::move(secret)};
}

Task<Result<void>> DeviceDesk::remove(DeviceId id, Actor actor) {
  const auto device = co_await parts_.store.device(id);
  if (!device) co_return std::unexpected(device.error());
  if (!*device) co_return no_such_device();
  auto entry = audit_entry(parts_.wall.now(), actor, "device.deleted", (*device)->name, {});
  const auto done = co_await parts_.store.commit({store::DeleteDevice{id}, store::AppendAudit{std::move(entry)}});
  if (!done && done.error().reason == "gone") co_return no_such_device();
  co_return done;
}

Task<Result<void>> add_end_of_connector(store::Store& store, const DeviceSeal& seal, store::Batch& batch, std::string connector) {
  auto devices = co_await store.devices();
  if (!devices) co_return std::unexpected(devices.error());
  for (auto& device : *devices) {
    if (!seal.check(device) || std::erase(device.connectors, connector) == 0) continue;
    seal.vouch(device);
    batch.emplace_back(store::PutDevice{std::move(device)});
  }
  co_return Result<void>{};
}

}  // namespace latchkey::people
