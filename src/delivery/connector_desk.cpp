#include "delivery/connector_desk.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "delivery/document_name.h"
#include "delivery/document_types.h"
#include "people/device_desk.h"
#include "people/names.h"
#include "wire/mime/mail_address.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kIdBytesMax = 63;
constexpr std::size_t kGroupsMax = 100;
// A grant that is refreshed at this moment: each time everything is read again.
constexpr int kRaces = 20;

std::unexpected<Error> wrong(std::string field, std::string text) {
  return fail(ErrorKind::invalid, "invalid_fields", std::move(text), {.field = std::move(field)});
}

bool is_id(std::string_view id) {
  const auto is_first = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !id.empty() && id.size() <= kIdBytesMax && is_first(id.front()) &&
         std::ranges::all_of(id, [&](char c) { return is_first(c) || c == '-'; });
}

std::unexpected<Error> no_such_connector() {
  return fail(ErrorKind::not_found, "no_such_connector", "There is no such connector.");
}

// An address that tokens go to is for the trail.
std::string where_of(const store::Connector& connector) {
  const auto address = address_of(connector);
  return address ? connector.type + " at " + address->url + " with tokens of the app " + address->app : connector.type;
}

}  // namespace

std::string folder_of(const store::Connector& connector) {
  const auto target = parse_json(connector.target_json);
  return target && target->is_object() ? base::string_or(target->get_object(), "folder") : std::string();
}

std::vector<std::string> ConnectorDesk::types() const {
  std::vector<std::string> ids;
  for (const auto& type : parts_.catalog.types()) {
    if (parts_.connectors.find(*type) != nullptr) ids.push_back(type->id);
  }
  return ids;
}

std::vector<std::string> ConnectorDesk::types_asking_url() const {
  auto ids = types();
  std::erase_if(ids, [&](const std::string& id) { return !asks_for_address(*parts_.catalog.find_type(id)); });
  return ids;
}

Task<Result<std::optional<ConnectorAddress>>> ConnectorDesk::checked_address(std::string type_id, std::string given_url,
                                                                             std::string app_id) {
  const auto type = parts_.catalog.find_type(type_id);
  if (!asks_for_address(*type)) {
    if (!given_url.empty() || !app_id.empty())
      co_return wrong(given_url.empty() ? "app" : "url", "Where accounts of this type are is known already.");
    co_return std::optional<ConnectorAddress>();
  }
  auto url = check_address(given_url);
  if (!url) co_return std::unexpected(url.error());
  const auto app = co_await parts_.store.app(app_id);
  if (!app) co_return std::unexpected(app.error());
  if (!*app || (*app)->provider != type->provider)
    co_return wrong("app",
                    "Name the app whose accounts' tokens may go to that address. There is none of that name for this type.");
  co_return ConnectorAddress{.url = std::move(*url), .app = std::move(app_id)};
}

Task<Result<store::Connector>> ConnectorDesk::made_from(ConnectorWish wish, store::Connector connector) {
  if (wish.name.empty()) co_return wrong("name", "Give the connector a name.");
  const auto deliverable = types();
  if (std::ranges::find(deliverable, wish.type) == deliverable.end()) {
    std::string known;
    for (const auto& type : deliverable) known += (known.empty() ? "" : ", ") + type;
    co_return wrong("type", known.empty() ? "This server delivers to no type yet; the practice service needs --sandbox."
                                          : "This version delivers to: " + known + ".");
  }
  if (auto good = check_template(wish.naming); !good) co_return std::unexpected(good.error());
  auto folder = check_folder(wish.folder);
  if (!folder) co_return std::unexpected(folder.error());
  const auto address = co_await checked_address(wish.type, wish.url, wish.app);
  if (!address) co_return std::unexpected(address.error());
  JsonObject target{{"folder", *folder}};
  if (*address) add_address(target, **address);
  if (!wish.aliases.empty()) {
    JsonArray aliases;
    for (const auto& alias : wish.aliases) {
      if (!wire::is_address(alias)) co_return wrong("aliases", "An alias is an address: name@domain.");
      aliases.emplace_back(alias);
    }
    target["aliases"] = std::move(aliases);
  }
  const auto content_types = check_content_types(wish.content_types);
  if (!content_types) co_return std::unexpected(content_types.error());
  if (!content_types->empty()) {
    if (parts_.connectors.find(*parts_.catalog.find_type(wish.type))->abilities().carries_mail)
      co_return wrong("content_types", "A connector that sends mail takes messages: types of documents are not asked there.");
    target["content_types"] = JsonArray(content_types->begin(), content_types->end());
  }
  if (wish.size_bytes_max < 0) co_return wrong("size_bytes_max", "A size is a number of bytes; 0 means no limit.");
  if (wish.groups.size() > kGroupsMax) co_return wrong("groups", "At most a hundred groups.");
  for (const auto& text : wish.groups) {
    const auto id = GroupId::parse(text);
    const auto group = id ? co_await parts_.store.group(*id) : Result<std::optional<store::Group>>(std::nullopt);
    if (!group) co_return std::unexpected(group.error());
    if (!*group) co_return wrong("groups", "There is no such group.");
  }
  connector.owner = {};
  if (wish.account == store::AccountKind::fixed) {
    const auto name = people::clean_username(wish.owner);
    const auto user = name ? co_await parts_.store.user_by_key(name->key) : Result<std::optional<store::User>>(std::nullopt);
    if (!user) co_return std::unexpected(user.error());
    if (!*user) co_return wrong("owner", "There is no such user: a fixed connector delivers with the account of one.");
    connector.owner = (*user)->id;
  } else if (wish.groups.empty()) {
    co_return wrong("groups", "Name the groups whose members may deliver, each to their own account.");
  }
  connector.id = wish.id;
  connector.name = std::move(wish.name);
  connector.type = std::move(wish.type);
  connector.account = wish.account;
  connector.groups = std::move(wish.groups);
  connector.target_json = boost::json::serialize(target);
  connector.naming = std::move(wish.naming);
  connector.conflict = wish.conflict;
  connector.size_bytes_max = wish.size_bytes_max;
  connector.enabled = wish.enabled;
  co_return connector;
}

Task<Result<void>> ConnectorDesk::settle_delegation(store::Batch& batch, store::Connector& connector,
                                                    store::Connector before, std::optional<OwnersPin> pin,
                                                    people::Actor actor) {
  const bool fixed = connector.account == store::AccountKind::fixed;
  const bool same = fixed && connector.owner == before.owner && connector.type == before.type;
  if (fixed && pin) {
    auto made = co_await parts_.access.give(connector, std::move(*pin), std::move(actor));
    if (!made) co_return std::unexpected(made.error());
    batch = std::move(made->batch);
    connector.delegation = std::move(made->standing);
  } else if (same) {
    co_return Result<void>{};
  } else {
    connector.delegation = {};
  }
  store::Batch end;
  if (const auto done = co_await grants::add_end_of_standing(parts_.store, end, before.delegation); !done) co_return done;
  for (auto& one : end) {
    // The grant's version is counted up once for both.
    const bool twice =
        std::holds_alternative<store::UpdateGrant>(one) && before.delegation.grant == connector.delegation.grant;
    if (!twice) batch.push_back(std::move(one));
  }
  co_return Result<void>{};
}

Task<Result<store::Connector>> ConnectorDesk::commit(store::Batch batch, store::Connector connector, people::Actor actor,
                                                     std::string action) {
  parts_.sealing.vouch(connector);
  const auto words =
      "to " + where_of(connector) + ", " + connector.naming + (connector.delegation.id.none() ? "" : "; opens without PIN");
  batch.emplace_back(store::PutConnector{connector});
  batch.emplace_back(store::AppendAudit{
      people::audit_entry(parts_.wall.now(), actor, std::move(action), connector.id, connector.owner, words)});
  if (const auto done = co_await parts_.store.commit(std::move(batch)); !done) co_return std::unexpected(done.error());
  connector.version += 1;
  co_return connector;
}

Task<Result<store::Connector>> ConnectorDesk::add(ConnectorWish wish, people::Actor actor) {
  if (!is_id(wish.id))
    co_return wrong(
        "id",
        "An id is 1 to 63 small letters, digits and hyphens, and does not begin with a hyphen: it is part of addresses.");
  store::Connector fresh;
  fresh.created_at = parts_.wall.now();
  auto pin = std::exchange(wish.owners_pin, std::nullopt);
  auto connector = co_await made_from(std::move(wish), std::move(fresh));
  if (!connector) co_return connector;
  store::Batch batch;
  if (const auto settled = co_await settle_delegation(batch, *connector, {}, std::move(pin), actor); !settled)
    co_return std::unexpected(settled.error());
  auto done = co_await commit(std::move(batch), std::move(*connector), std::move(actor), "connector.added");
  if (!done && done.error().reason == "exists") co_return wrong("id", "There is a connector of that id already.");
  co_return done;
}

Task<Result<store::Connector>> ConnectorDesk::change(ConnectorWish wish, people::Actor actor) {
  auto before = co_await parts_.store.connector(wish.id);
  if (!before) co_return std::unexpected(before.error());
  if (!*before) co_return no_such_connector();
  // What was altered outside is made good by being saved, but brings no delegation along.
  if (!parts_.sealing.check(**before)) (*before)->delegation = {};
  auto pin = std::exchange(wish.owners_pin, std::nullopt);
  auto connector = co_await made_from(std::move(wish), **before);
  if (!connector) co_return connector;
  store::Batch batch;
  if (const auto settled = co_await settle_delegation(batch, *connector, std::move(**before), std::move(pin), actor);
      !settled) {
    co_return std::unexpected(settled.error());
  }
  auto done = co_await commit(std::move(batch), std::move(*connector), std::move(actor), "connector.changed");
  if (!done && done.error().reason == "gone") co_return no_such_connector();
  co_return done;
}

Task<Result<void>> ConnectorDesk::remove(std::string id, people::Actor actor) {
  Result<void> done;
  for (int race = 0; race < kRaces; ++race) {
    const auto connector = co_await parts_.store.connector(id);
    if (!connector) co_return std::unexpected(connector.error());
    if (!*connector) co_return no_such_connector();
    store::Batch batch;
    if (done = co_await grants::add_end_of_standing(parts_.store, batch, (*connector)->delegation); !done) co_return done;
    if (done = co_await people::add_end_of_connector(parts_.store, parts_.device_seal, batch, id); !done) co_return done;
    batch.emplace_back(store::DeleteConnector{id});
    batch.emplace_back(
        store::AppendAudit{people::audit_entry(parts_.wall.now(), actor, "connector.deleted", id, (*connector)->owner)});
    done = co_await parts_.store.commit(std::move(batch));
    if (done || done.error().reason != "version") break;
  }
  if (!done && done.error().reason == "gone") co_return no_such_connector();
  co_return done;
}

Task<Result<void>> ConnectorDesk::try_account(std::string id, std::optional<OwnersPin> pin, people::Actor actor) {
  auto connector = co_await parts_.store.connector(id);
  if (!connector) co_return std::unexpected(connector.error());
  if (!*connector) co_return no_such_connector();
  auto& one = **connector;
  const bool by_pin = pin && one.account == store::AccountKind::fixed;
  if (!by_pin && one.delegation.id.none()) {
    co_return wrong("owner_pin",
                    one.account == store::AccountKind::fixed
                        ? "The PIN of the account's owner is needed for a call to the service."
                        : "This connector delivers to the account of whoever shows a PIN: there is none to try.");
  }
  if (by_pin) co_return co_await parts_.access.try_by_pin(std::move(one), std::move(*pin), std::move(actor));
  co_return co_await parts_.access.try_standing(std::move(one));
}

Task<Result<void>> ConnectorDesk::end_delegation(std::string id, UserId owner, people::Actor actor) {
  Result<void> done;
  for (int race = 0; race < kRaces; ++race) {
    auto connector = co_await parts_.store.connector(id);
    if (!connector) co_return std::unexpected(connector.error());
    if (!*connector || (*connector)->delegation.id.none() || (!owner.none() && (*connector)->owner != owner)) {
      co_return fail(ErrorKind::not_found, "no_such_delegation", "This connector opens nothing without a PIN.");
    }
    if (const auto sound = parts_.sealing.check(**connector); !sound) co_return sound;
    store::Batch batch;
    if (done = co_await grants::add_end_of_standing(parts_.store, batch, (*connector)->delegation); !done) co_return done;
    (*connector)->delegation = {};
    const auto committed = co_await commit(std::move(batch), std::move(**connector), actor, "connector.delegation_ended");
    if (committed) co_return Result<void>{};
    done = std::unexpected(committed.error());
    if (done.error().reason != "version") break;
  }
  co_return done;
}

Task<Result<bool>> ConnectorDesk::delegation_lives(store::Connector connector) {
  co_return co_await parts_.access.lives(std::move(connector.delegation));
}

Task<Result<std::vector<store::Connector>>> ConnectorDesk::delegated_by(UserId owner) {
  auto connectors = co_await parts_.store.connectors();
  if (!connectors) co_return connectors;
  std::vector<store::Connector> found;
  for (auto& connector : *connectors) {
    if (connector.owner != owner || connector.delegation.id.none()) continue;
    const auto alive = co_await delegation_lives(connector);
    if (!alive) co_return std::unexpected(alive.error());
    if (*alive) found.push_back(std::move(connector));
  }
  co_return found;
}

}  // namespace latchkey::delivery
