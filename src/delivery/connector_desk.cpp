#include "delivery/connector_desk.h"

#include <algorithm>

#include "base/json.h"
#include "delivery/document_name.h"
#include "people/names.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kIdBytesMax = 63;
constexpr std::size_t kGroupsMax = 100;

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

Task<Result<std::optional<ConnectorAddress>>> ConnectorDesk::checked_address(ConnectorWish wish) {
  const auto type = parts_.catalog.find_type(wish.type);
  if (!asks_for_address(*type)) {
    if (!wish.url.empty() || !wish.app.empty())
      co_return wrong(wish.url.empty() ? "app" : "url", "Where accounts of this type are is known already.");
    co_return std::optional<ConnectorAddress>();
  }
  auto url = check_address(wish.url);
  if (!url) co_return std::unexpected(url.error());
  const auto app = co_await parts_.store.app(wish.app);
  if (!app) co_return std::unexpected(app.error());
  if (!*app || (*app)->provider != type->provider)
    co_return wrong("app", "Name the app whose accounts' tokens may go to that address. There is none of that name for this type.");
  co_return ConnectorAddress{.url = std::move(*url), .app = wish.app};
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
  const auto address = co_await checked_address(wish);
  if (!address) co_return std::unexpected(address.error());
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
  connector.target_json = target_json_of(*folder, *address);
  connector.naming = std::move(wish.naming);
  connector.conflict = wish.conflict;
  connector.size_bytes_max = wish.size_bytes_max;
  connector.enabled = wish.enabled;
  parts_.sealing.vouch(connector);
  co_return connector;
}

Task<Result<void>> ConnectorDesk::commit(store::Connector connector, people::Actor actor, std::string action) {
  auto entry = people::audit_entry(parts_.wall.now(), actor, std::move(action), connector.id, {},
                                   "to " + where_of(connector) + ", " + connector.naming);
  co_return co_await parts_.store.commit({store::PutConnector{std::move(connector)}, store::AppendAudit{std::move(entry)}});
}

Task<Result<store::Connector>> ConnectorDesk::add(ConnectorWish wish, people::Actor actor) {
  if (!is_id(wish.id))
    co_return wrong(
        "id",
        "An id is 1 to 63 small letters, digits and hyphens, and does not begin with a hyphen: it is part of addresses.");
  store::Connector fresh;
  fresh.created_at = parts_.wall.now();
  auto connector = co_await made_from(std::move(wish), std::move(fresh));
  if (!connector) co_return connector;
  const auto done = co_await commit(*connector, std::move(actor), "connector.added");
  if (!done && done.error().reason == "exists") co_return wrong("id", "There is a connector of that id already.");
  if (!done) co_return std::unexpected(done.error());
  connector->version = 1;
  co_return connector;
}

Task<Result<store::Connector>> ConnectorDesk::change(ConnectorWish wish, people::Actor actor) {
  auto before = co_await parts_.store.connector(wish.id);
  if (!before) co_return std::unexpected(before.error());
  if (!*before) co_return no_such_connector();
  auto connector = co_await made_from(std::move(wish), std::move(**before));
  if (!connector) co_return connector;
  const auto done = co_await commit(*connector, std::move(actor), "connector.changed");
  if (!done && done.error().reason == "gone") co_return no_such_connector();
  if (!done) co_return std::unexpected(done.error());
  connector->version += 1;
  co_return connector;
}

Task<Result<void>> ConnectorDesk::remove(std::string id, people::Actor actor) {
  auto entry = people::audit_entry(parts_.wall.now(), actor, "connector.deleted", id, {});
  const auto done = co_await parts_.store.commit({store::DeleteConnector{id}, store::AppendAudit{std::move(entry)}});
  if (!done && done.error().reason == "gone") co_return no_such_connector();
  co_return done;
}

}  // namespace latchkey::delivery
