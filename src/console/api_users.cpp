#include "console/api_users.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/run_on.h"
#include "console/actor.h"
#include "console/fields.h"
#include "console/requester.h"
#include "console/views.h"
#include "grants/revocation_prospect.h"

namespace latchkey::console {

namespace {

constexpr std::size_t kGroupCountsMax = 1'000;
constexpr std::size_t kBulkMax = 1'000;
// Buckets of console passwords are counted apart from PINs (people/guard.h).
constexpr std::string_view kPasswordBuckets = "console ";

std::expected<store::UserQuery, Problem> read_query(const net::HttpRequest& request) {
  Query query(request);
  store::UserQuery wanted;
  wanted.search = query.text("search", {.min = 0, .max = 200});
  wanted.group = query.id_if<base::GroupTag>("group");
  wanted.type = query.text("type", {.min = 0, .max = 64});
  const auto state = query.choice("state", {"active", "unreachable", "uncertain", "paused", "needs_authorization", "held", "disabled",
                                            "revoked", "regular", "disabled_user"});
  if (state == "regular") wanted.only_without_grants = true;
  else if (state == "disabled_user") wanted.only_switched_off = true;
  else if (!state.empty()) wanted.state = store::parse_grant_state(state);
  [[maybe_unused]] const auto sort = query.choice("sort", {"group"});
  wanted.page = {.cursor = query.text("cursor", {.min = 0, .max = 512}), .limit = static_cast<std::size_t>(query.integer("limit", 1, 200, 50))};
  if (auto problem = query.check()) return std::unexpected(std::move(*problem));
  return wanted;
}

// A misspelt type would look like a list that happens to be empty.
Problem no_such_type(const std::string& type, const catalog::Catalog& catalog) {
  std::string known;
  for (const auto& each : catalog.types()) known += (known.empty() ? "" : ", ") + each->id;
  auto problem = refuse(422, "no_such_type", fmt::format("There is no type named {}; the types are {}.", type, known)).error();
  problem.errors.push_back({"type", problem.detail});
  return problem;
}

bool filters(const store::UserQuery& query) {
  return !query.search.empty() || !query.type.empty() || query.state || query.only_without_grants || query.only_switched_off;
}

bool signs_in_as_administrator(const store::User& user) {
  return user.role == store::Role::administrator && user.enabled && !user.password_sealed.empty();
}

}  // namespace

std::vector<Route> UsersApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/users", Who::administrator, kPlain, 1024, [this](Call call) { return list(std::move(call)); }},
      {"POST", "/api/v1/users", Who::administrator, Carries::secret, 16 * 1024, [this](Call call) { return add(std::move(call)); }},
      {"POST", "/api/v1/users/bulk", Who::administrator, kPlain, 64 * 1024, [this](Call call) { return bulk(std::move(call)); }},
      {"GET", "/api/v1/users/{id}", Who::signed_in, kPlain, 1024, [this](Call call) { return get(std::move(call)); }},
      {"PATCH", "/api/v1/users/{id}", Who::administrator, kPlain, 16 * 1024, [this](Call call) { return patch(std::move(call)); }},
      {"DELETE", "/api/v1/users/{id}", Who::administrator, kPlain, 1024, [this](Call call) { return remove(std::move(call)); }},
      {"GET", "/api/v1/users/{id}/deletion-preview", Who::administrator, kPlain, 1024, [this](Call call) { return preview(std::move(call)); }},
      {"POST", "/api/v1/users/{id}/reset-throttle", Who::administrator, kPlain, 1024, [this](Call call) { return reset_throttle(std::move(call)); }},
  };
}

Task<Result<JsonArray>> UsersApi::group_counts(store::UserQuery query) {
  const auto groups = co_await parts_.store.groups();
  if (!groups) co_return std::unexpected(groups.error());
  auto rows = *groups;
  std::ranges::sort(rows, {}, [](const store::GroupRow& row) { return row.group.name_key; });
  const auto only = query.group;
  JsonArray counts;
  for (const auto& row : rows) {
    if (counts.size() >= kGroupCountsMax) break;
    if (only && row.group.id != *only) continue;
    auto total = row.users;
    if (filters(query)) {
      query.group = row.group.id;
      query.page = {.cursor = {}, .limit = 1};
      const auto matching = co_await parts_.store.users(query);
      if (!matching) co_return std::unexpected(matching.error());
      total = matching->total;
      if (total == 0) continue;
    }
    counts.push_back(JsonObject{{"id", row.group.id.text()}, {"name", row.group.name}, {"total", total}});
  }
  co_return counts;
}

Task<Answer> UsersApi::list(Call call) {
  auto query = read_query(call.request);
  if (!query) co_return std::unexpected(query.error());
  if (!query->type.empty() && parts_.catalog->find_type(query->type) == nullptr) {
    // A type that is still held is known, though an operator's provider file may have gone.
    const auto holders = co_await parts_.store.users({.type = query->type, .page = {.limit = 1}});
    if (!holders) co_return refuse(holders.error());
    if (holders->total == 0) co_return std::unexpected(no_such_type(query->type, *parts_.catalog));
  }
  const auto users = co_await parts_.store.users(*query);
  if (!users) co_return refuse(users.error());
  JsonArray items;
  for (const auto& row : users->items) items.push_back(user_json(row.user, row.group_name, row.grants, *parts_.catalog));
  auto json = list_json(std::move(items), users->next_cursor, users->total);
  json["groups"] = nullptr;
  if (query->page.cursor.empty()) {
    auto counts = co_await group_counts(std::move(*query));
    if (!counts) co_return refuse(counts.error());
    json["groups"] = std::move(*counts);
  }
  co_return net::HttpResponse::json(200, json);
}

// What is counted against the user, and whom that shuts out. A wrong PIN from an unknown address stands in two buckets, "*"
// and the address's own (which matters once the address is known), so buckets are not added up: the fullest is shown.
Json UsersApi::throttle_json(const std::vector<store::PinFailureCount>& failures, const std::vector<store::KnownSource>& known) const {
  const auto limit = parts_.registry.get<std::int64_t>("auth.pin_failures_unknown");
  const auto limit_known = parts_.registry.get<std::int64_t>("auth.pin_failures_known");
  std::int64_t wrong_pins = 0;
  std::int64_t wrong_passwords = 0;
  JsonArray locked;
  for (const auto& count : failures) {
    const bool password = count.bucket.starts_with(kPasswordBuckets);
    const auto source = password ? count.bucket.substr(kPasswordBuckets.size()) : count.bucket;
    auto& wrong = password ? wrong_passwords : wrong_pins;
    wrong = std::max(wrong, count.distinct);
    const bool everywhere = source == "*";
    if (!everywhere && std::ranges::find(known, source, &store::KnownSource::source) == known.end()) continue;
    const auto most = everywhere ? limit : limit_known;
    if (count.distinct < most) continue;
    locked.push_back(JsonObject{{"secret", password ? "password" : "pin"}, {"source", everywhere ? Json(nullptr) : Json(source)},
                                {"wrong", count.distinct}, {"limit", most}});
  }
  const bool any = !locked.empty();
  return JsonObject{{"wrong_pins", wrong_pins}, {"wrong_passwords", wrong_passwords}, {"limit", limit}, {"locked", any},
                    {"locked_out", std::move(locked)}};
}

Task<Answer> UsersApi::detail(int status, UserId id) {
  const auto user = co_await parts_.store.user(id);
  if (!user) co_return refuse(user.error());
  if (!*user) co_return refuse_not_found();
  const auto group = co_await parts_.store.group((*user)->group);
  if (!group) co_return refuse(group.error());
  const auto held = co_await parts_.store.grants_of_user(id);
  if (!held) co_return refuse(held.error());
  const auto failures = co_await parts_.store.pin_failures(id);
  if (!failures) co_return refuse(failures.error());
  const auto sessions = co_await parts_.store.audit({.action = "session.opened", .user = id, .page = {.limit = 1}});
  if (!sessions) co_return refuse(sessions.error());

  auto json = user_json(**user, *group ? (*group)->name : "", *held, *parts_.catalog);
  json["pin_set_at"] = time_json((*user)->pin_set_at);
  const auto known = co_await parts_.store.known_sources(id);
  if (!known) co_return refuse(known.error());
  json["throttle"] = throttle_json(*failures, *known);
  json["signed_in_at"] = sessions->items.empty() ? Json(nullptr) : time_json(sessions->items.front().at);
  co_return net::HttpResponse::json(status, json);
}

Task<Problem> UsersApi::problem_of_user(Error error) {
  if (error.reason == "no_such_user") co_return refuse_not_found().error();
  if (error.field == "group") error.field = "group_id";
  auto problem = problem_of(error);
  co_return problem;
}

Task<Answer> UsersApi::add(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  people::NewUser wish;
  wish.username = fields.text("username", {.min = 1, .max = 128});
  wish.name = fields.text("name", {.min = 0, .max = 200}, Presence::optional);
  wish.email = fields.text("email", {.min = 0, .max = 254}, Presence::optional);
  wish.group = fields.id<base::GroupTag>("group_id");
  if (fields.choice("role", {"administrator", "regular"}, Presence::optional) == "administrator") wish.role = store::Role::administrator;
  if (auto password = fields.secret("password", 4096, Presence::optional); !password.empty()) wish.password = std::move(password);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  const auto user = co_await parts_.directory.add_user(std::move(wish), actor_of(call));
  if (!user) co_return std::unexpected(co_await problem_of_user(user.error()));
  co_return co_await detail(201, user->id);
}

Task<Answer> UsersApi::get(Call call) {
  const auto id = UserId::parse(call.values[0]);
  if (!id || !call.principal.may_see(*id)) co_return refuse_not_found();
  co_return co_await detail(200, *id);
}

Task<Answer> UsersApi::patch(Call call) {
  const auto id = UserId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  people::UserChange change;
  change.username = fields.text_if("username", {.min = 1, .max = 128});
  change.name = fields.text_if("name", {.min = 0, .max = 200});
  change.email = fields.text_if("email", {.min = 0, .max = 254});
  const auto group = fields.id<base::GroupTag>("group_id", Presence::optional);
  if (fields.has("group_id")) change.group = group;
  change.enabled = fields.boolean_if("enabled");
  const auto uses = uses_of(fields.texts("uses", 8, {.min = 1, .max = 16}));
  if (!uses) fields.fault("uses", "Uses are deliver, list, send and token.");
  if (fields.has("uses")) change.uses = uses;
  auto sources = fields.texts("sources", 64, {.min = 1, .max = 64});
  if (fields.has("sources")) change.sources = std::move(sources);
  if (const auto role = fields.choice("role", {"administrator", "regular"}, Presence::optional); !role.empty()) {
    change.role = role == "administrator" ? store::Role::administrator : store::Role::regular;
  }
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  const auto user = co_await parts_.directory.change_user(*id, std::move(change), actor_of(call));
  if (!user) co_return std::unexpected(co_await problem_of_user(user.error()));
  co_return co_await detail(200, *id);
}

Task<std::expected<UsersApi::Loss, Problem>> UsersApi::loss_of(const Principal& principal, UserId id) {
  const auto user = co_await parts_.store.user(id);
  if (!user) co_return refuse(user.error());
  if (!*user) co_return refuse_not_found();
  const auto held = co_await parts_.store.grants_of_user(id);
  if (!held) co_return refuse(held.error());
  const auto administrators = co_await parts_.store.count_administrators();
  if (!administrators) co_return refuse(administrators.error());

  JsonArray losses;
  std::int64_t revocable = 0;
  for (const auto& grant : *held) {
    const auto type = parts_.catalog->find_type(grant.type);
    const auto prospect = grants::revocation_prospect(*parts_.catalog, grant);
    if (prospect.revocable == grants::Revocable::yes) ++revocable;
    losses.emplace_back((type ? type->name : grant.type) + (grant.account_name.empty() ? "" : " as " + grant.account_name) + ". " + prospect.words);
  }
  if (!(*user)->public_key.empty()) losses.emplace_back("The PIN: programs and devices that use it stop working.");
  if (!(*user)->password_sealed.empty()) losses.emplace_back("The sign-in to this console.");
  Loss loss;
  if (principal.kind == Principal::Kind::person && principal.user == id) loss.blocked_by = "This is yourself. Another administrator can delete you.";
  else if (signs_in_as_administrator(**user) && *administrators <= 1) loss.blocked_by = "This is the last administrator who can sign in.";
  loss.json["user"] = JsonObject{{"id", id.text()}, {"username", (*user)->username}};
  loss.json["losses"] = std::move(losses);
  loss.json["grants"] = held->size();
  loss.json["revocable_grants"] = revocable;
  loss.json["blocked_by"] = loss.blocked_by.empty() ? Json(nullptr) : Json(loss.blocked_by);
  co_return loss;
}

Task<Answer> UsersApi::preview(Call call) {
  const auto id = UserId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto loss = co_await loss_of(call.principal, *id);
  if (!loss) co_return std::unexpected(loss.error());
  co_return net::HttpResponse::json(200, loss->json);
}

Task<std::optional<Problem>> UsersApi::delete_one(const Call& call, UserId id) {
  const auto done = co_await parts_.directory.delete_user(id, actor_of(call));
  if (!done) co_return co_await problem_of_user(done.error());
  co_return std::nullopt;
}

Task<Answer> UsersApi::remove(Call call) {
  const auto id = UserId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto loss = co_await loss_of(call.principal, *id);
  if (!loss) co_return std::unexpected(loss.error());
  if (!loss->blocked_by.empty()) co_return refuse(409, "last_administrator", loss->blocked_by);
  if (auto problem = co_await delete_one(call, *id)) co_return std::unexpected(std::move(*problem));
  co_return net::HttpResponse::json(200, loss->json);
}

Task<Answer> UsersApi::reset_throttle(Call call) {
  const auto id = UserId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  const auto done = co_await parts_.directory.reset_throttle(*id, actor_of(call));
  if (!done) co_return std::unexpected(co_await problem_of_user(done.error()));
  co_return net::HttpResponse::no_content();
}

Task<std::optional<Problem>> UsersApi::act_on(const Call& call, UserId id, const BulkWish& wish) {
  if (wish.action == "delete") {
    auto loss = co_await loss_of(call.principal, id);
    if (!loss) co_return loss.error();
    if (!loss->blocked_by.empty()) co_return refuse(409, "last_administrator", loss->blocked_by).error();
    co_return co_await delete_one(call, id);
  }
  if (wish.action == "refresh") {
    const auto held = co_await parts_.store.grants_of_user(id);
    if (!held) co_return problem_of(held.error());
    if (held->empty()) co_return refuse(409, "no_such_grant", "There is no grant to refresh.").error();
    for (const auto& grant : *held) {
      const auto refreshed = co_await base::run_on(parts_.engine, parts_.desk.refresh(grant.id, requester_of(call)));
      if (!refreshed) co_return problem_of(refreshed.error());
    }
    co_return std::nullopt;
  }
  people::UserChange change;
  if (wish.action == "move") change.group = wish.group;
  else change.enabled = wish.action == "enable";
  const auto changed = co_await parts_.directory.change_user(id, std::move(change), actor_of(call));
  if (!changed) co_return co_await problem_of_user(changed.error());
  co_return std::nullopt;
}

Task<Answer> UsersApi::bulk(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  const auto ids = fields.texts("ids", kBulkMax, {.min = 36, .max = 36});
  BulkWish wish;
  wish.action = fields.choice("action", {"enable", "disable", "delete", "move", "refresh"});
  wish.group = fields.id<base::GroupTag>("group_id", Presence::optional);
  if (ids.empty()) fields.fault("ids", "Name at least one user.");
  if (wish.action == "move" && wish.group.none()) fields.fault("group_id", "Say where they go.");
  std::vector<UserId> users;
  for (const auto& text : ids) {
    if (const auto id = UserId::parse(text)) users.push_back(*id);
    else fields.fault("ids", "There is something among them that is no id.");
  }
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));

  std::int64_t done = 0;
  JsonArray failed;
  for (const auto& id : users) {
    const auto user = co_await parts_.store.user(id);
    if (!user) co_return refuse(user.error());
    auto problem = *user ? co_await act_on(call, id, wish) : std::optional(refuse_not_found().error());
    if (problem) failed.push_back(JsonObject{{"id", id.text()}, {"username", *user ? (*user)->username : ""}, {"reason", problem->detail}});
    else ++done;
  }
  co_return net::HttpResponse::json(200, JsonObject{{"done", done}, {"failed", std::move(failed)}});
}

}  // namespace latchkey::console
