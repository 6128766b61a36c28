#include "people/door_gate.h"

#include <algorithm>

#include "people/device_address.h"
#include "people/names.h"
#include "people/source_rules.h"

namespace latchkey::people {
namespace {

constexpr std::chrono::minutes kNotedEvery{1};
constexpr std::string_view kUseMissing = "The device asked for something that is not among its uses.";

std::unexpected<Error> use_not_allowed() {
  return fail(ErrorKind::refused, "use_not_allowed",
              "The device is known, but it may not do this. An administrator can allow it on the device's page.");
}

std::unexpected<Error> no_such_device() {
  return fail(ErrorKind::not_found, "no_such_device", "No device is bound to this address alone.");
}

std::unexpected<Error> not_any_more() {
  return fail(ErrorKind::refused, "invalid_credentials", "User name, PIN or secret is not right any more. Sign in again.");
}

const std::string& address_of(const Attempt& attempt) { return attempt.address.empty() ? attempt.source : attempt.address; }

}  // namespace

Task<Result<Principal>> DoorGate::admit(Attempt attempt) {
  const auto name = clean_username(attempt.username);
  auto found = name ? co_await parts_.store.device_by_name_key(name->key) : Result<std::optional<store::Device>>(std::nullopt);
  if (!found) co_return std::unexpected(found.error());
  if (*found) {
    auto& device = **found;
    if (const auto sound = parts_.seal.check(device); !sound) {
      parts_.log.error("device_record_altered", sound.error());
    } else if (auto why = why_not(device, attempt); !why.empty()) {
      co_await note(std::move(device), address_of(attempt), std::move(why));
    } else {
      auto admitted = co_await let_in(std::move(device), address_of(attempt), attempt.uses);
      if (!admitted) co_return std::unexpected(admitted.error());
      co_return Principal(std::move(*admitted));
    }
  }
  auto admitted = co_await parts_.pins.admit(std::move(attempt));
  if (!admitted) co_return std::unexpected(admitted.error());
  co_return Principal(std::move(*admitted));
}

Task<Result<void>> DoorGate::check_uses(const Principal& who, std::uint32_t uses) {
  if (const auto* admitted = std::get_if<AdmittedDevice>(&who)) {
    auto found = co_await parts_.store.device(admitted->device);
    if (!found) co_return std::unexpected(found.error());
    if (!*found || !(*found)->enabled || !parts_.seal.check(**found)) co_return not_any_more();
    if ((*found)->secret_set_at != admitted->secret_set_at) co_return not_any_more();
    if (((*found)->uses & uses) == uses) co_return Result<void>{};
    co_await note(std::move(**found), {}, std::string(kUseMissing));
    co_return use_not_allowed();
  }
  const auto& user = std::get<Admitted>(who);
  const auto name = clean_username(user.username);
  const auto card = name ? co_await parts_.cards.get(name->key) : Result<UserCardPtr>(nullptr);
  if (!card) co_return std::unexpected(card.error());
  if (!*card || !(*card)->enabled || (*card)->id != user.user || (*card)->auth_epoch != user.auth_epoch) co_return not_any_more();
  if (((*card)->uses & uses) == uses) co_return Result<void>{};
  co_return fail(ErrorKind::refused, "use_not_allowed",
                 "Username and PIN are right, but this user may not do this. An administrator can allow it in the user's dialog.");
}

std::string DoorGate::why_not(const store::Device& device, const Attempt& attempt) const {
  const auto& address = address_of(attempt);
  if (!parts_.seal.matches(device, attempt.pin)) return "A wrong secret came from " + address + ".";
  if (!device.enabled) return "The device is switched off.";
  const auto sources = SourceRules::parse(device.allowed_sources);
  if (!sources || !sources->allow(address)) return "The right secret came from " + address + ", which is not among the device's addresses.";
  if (attempt.transport == Transport::clear && sources->empty()) {
    return "The secret came over an unencrypted line from " + address + ". Name the device's address to allow that.";
  }
  return {};
}

Task<Result<AdmittedDevice>> DoorGate::recognise(std::string text, std::uint32_t uses) {
  const auto address = Network::parse(text);
  if (!address) co_return no_such_device();
  auto devices = co_await parts_.store.devices();
  if (!devices) co_return std::unexpected(devices.error());
  store::Device* only = nullptr;
  for (auto& device : *devices) {
    if (!device.enabled || !is_bound_to(device, *address)) continue;
    if (const auto sound = parts_.seal.check(device); !sound) {
      parts_.log.error("device_record_altered", sound.error());
      continue;
    }
    if (only != nullptr) co_return no_such_device();
    only = &device;
  }
  if (only == nullptr) co_return no_such_device();
  co_return co_await let_in(std::move(*only), std::move(text), uses);
}

Task<std::optional<DeviceId>> DoorGate::supposed(std::string name, std::string address) {
  const auto devices = co_await parts_.store.devices();
  if (!devices) co_return std::nullopt;
  if (const auto clean = clean_username(name)) {
    const auto named = std::ranges::find(*devices, clean->key, &store::Device::name_key);
    if (named != devices->end()) co_return named->id;
  }
  const auto network = Network::parse(address);
  if (!network) co_return std::nullopt;
  const auto bound = [&](const store::Device& one) { return is_bound_to(one, *network); };
  if (std::ranges::count_if(*devices, bound) != 1) co_return std::nullopt;
  co_return std::ranges::find_if(*devices, bound)->id;
}

Task<Result<AdmittedDevice>> DoorGate::let_in(store::Device device, std::string address, std::uint32_t uses) {
  if ((device.uses & uses) != uses || (uses & store::kUseToken) != 0) {
    co_await note(std::move(device), std::move(address), std::string(kUseMissing));
    co_return use_not_allowed();
  }
  AdmittedDevice admitted{.device = device.id, .name = device.name, .secret_set_at = device.secret_set_at};
  co_await note(std::move(device), std::move(address), {});
  co_return admitted;
}

Task<void> DoorGate::note_error(DeviceId id, std::string words) {
  auto device = co_await parts_.store.device(id);
  if (device && *device) co_await note(std::move(**device), {}, std::move(words));
}

Task<void> DoorGate::note(store::Device device, std::string source, std::string error) {
  const auto now = parts_.wall.now();
  const auto last = error.empty() ? device.last_seen_at : device.last_error_at;
  if (last <= now && now - last < kNotedEvery && (!error.empty() || device.last_source == source)) co_return;
  const auto done = co_await parts_.store.commit(
      {store::TouchDevice{.id = device.id, .at = now, .source = std::move(source), .error = std::move(error)}},
      store::Urgency::bookkeeping);
  if (!done) parts_.log.warning("device_not_noted", {{"reason", done.error().reason}});
}

}  // namespace latchkey::people
