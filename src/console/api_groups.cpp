#include "console/api_groups.h"

#include <algorithm>
#include <charconv>

#include "console/actor.h"
#include "console/fields.h"
#include "console/views.h"
#include "people/names.h"

namespace latchkey::console {

std::vector<Route> GroupsApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/groups", Who::administrator, kPlain, 1024, [this](Call call) { return list(std::move(call)); }},
      {"POST", "/api/v1/groups", Who::administrator, kPlain, 4096, [this](Call call) { return add(std::move(call)); }},
      {"PATCH", "/api/v1/groups/{id}", Who::administrator, kPlain, 4096, [this](Call call) { return rename(std::move(call)); }},
      {"DELETE", "/api/v1/groups/{id}", Who::administrator, kPlain, 1024, [this](Call call) { return remove(std::move(call)); }},
  };
}

Task<Answer> GroupsApi::list(Call call) {
  Query query(call.request);
  const auto search = people::fold(query.text("search", {.min = 0, .max = 200}));
  const auto cursor = query.text("cursor", {.min = 0, .max = 20});
  const auto limit = static_cast<std::size_t>(query.integer("limit", 1, 200, 50));
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  std::size_t from = 0;
  if (!cursor.empty() && std::from_chars(cursor.data(), cursor.data() + cursor.size(), from).ec != std::errc()) {
    co_return refuse(400, "invalid_request", "cursor: This does not come from a page before.");
  }
  auto rows = co_await store_.groups();
  if (!rows) co_return refuse(rows.error());
  std::erase_if(*rows, [&](const store::GroupRow& row) { return row.group.name_key.find(search) == std::string::npos; });
  std::ranges::sort(*rows, {}, [](const store::GroupRow& row) { return row.group.name_key; });
  JsonArray items;
  for (std::size_t i = from; i < rows->size() && i < from + limit; ++i) items.push_back(group_json((*rows)[i]));
  const auto next = from + limit < rows->size() ? std::to_string(from + limit) : std::string();
  co_return net::HttpResponse::json(200, list_json(std::move(items), next, static_cast<std::int64_t>(rows->size())));
}

Task<Answer> GroupsApi::show(int status, GroupId id) {
  const auto rows = co_await store_.groups();
  if (!rows) co_return refuse(rows.error());
  const auto found = std::ranges::find(*rows, id, [](const store::GroupRow& row) { return row.group.id; });
  if (found == rows->end()) co_return refuse_not_found();
  co_return net::HttpResponse::json(status, group_json(*found));
}

namespace {

std::expected<std::string, Problem> read_name(const net::HttpRequest& request) {
  auto body = read_object(request);
  if (!body) return std::unexpected(body.error());
  Fields fields(*body);
  auto name = fields.text("name", {.min = 1, .max = 128});
  if (auto problem = fields.check()) return std::unexpected(std::move(*problem));
  return name;
}

// The group of the path is unknown: 404. Faults of the name carry the request's word for it.
std::unexpected<Problem> refuse_group(Error error) {
  if (error.kind == ErrorKind::not_found) return refuse_not_found();
  if (error.field == "group") error.field = "name";
  return refuse(error);
}

}  // namespace

Task<Answer> GroupsApi::add(Call call) {
  auto name = read_name(call.request);
  if (!name) co_return std::unexpected(name.error());
  const auto group = co_await directory_.add_group(std::move(*name), actor_of(call));
  if (!group) co_return refuse_group(group.error());
  co_return co_await show(201, group->id);
}

Task<Answer> GroupsApi::rename(Call call) {
  const auto id = GroupId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto name = read_name(call.request);
  if (!name) co_return std::unexpected(name.error());
  const auto group = co_await directory_.rename_group(*id, std::move(*name), actor_of(call));
  if (!group) co_return refuse_group(group.error());
  co_return co_await show(200, *id);
}

Task<std::optional<Problem>> GroupsApi::check_members(const Call& call, GroupId id) {
  const auto administrators = co_await store_.count_administrators();
  if (!administrators) co_return problem_of(administrators.error());
  std::int64_t administrators_here = 0;
  store::UserQuery query{.group = id, .page = {.limit = 200}};
  for (;;) {
    const auto page = co_await store_.users(query);
    if (!page) co_return problem_of(page.error());
    for (const auto& row : page->items) {
      if (row.user.id == call.principal.user) {
        co_return refuse(409, "last_administrator", "You are in this group yourself. Move yourself elsewhere first.").error();
      }
      const bool signs_in = row.user.role == store::Role::administrator && row.user.enabled && !row.user.password_sealed.empty();
      if (signs_in) ++administrators_here;
    }
    if (page->next_cursor.empty()) break;
    query.page.cursor = page->next_cursor;
  }
  if (administrators_here > 0 && administrators_here >= *administrators) {
    co_return refuse(409, "last_administrator", "The only administrators who can sign in are in this group.").error();
  }
  co_return std::nullopt;
}

Task<Answer> GroupsApi::remove(Call call) {
  const auto id = GroupId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  Query query(call.request);
  const auto move_to = query.id_if<base::GroupTag>("move_to");
  const bool delete_users = query.boolean("delete_users");
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  if (move_to && delete_users) co_return refuse(400, "invalid_request", "Say move_to or delete_users, not both.");
  if (move_to == *id) co_return refuse_field("move_to", "Choose another group than the one that goes.");
  const auto group = co_await store_.group(*id);
  if (!group) co_return refuse(group.error());
  if (!*group) co_return refuse_not_found();
  people::OnMembers members;
  if (move_to) {
    const auto target = co_await store_.group(*move_to);
    if (!target) co_return refuse(target.error());
    if (!*target) {
      auto refused = refuse(422, "no_such_group", "The group to move to does not exist.");
      refused.error().errors.push_back({"move_to", refused.error().detail});
      co_return refused;
    }
    members = {.what = people::OnMembers::What::move, .to = *move_to};
  } else if (delete_users) {
    if (auto problem = co_await check_members(call, *id)) co_return std::unexpected(std::move(*problem));
    members.what = people::OnMembers::What::remove;
  }
  const auto gone = co_await directory_.delete_group(*id, members, actor_of(call));
  if (!gone) {
    auto refused = refuse(gone.error());
    if (refused.error().code == "group_not_empty") {
      const auto users = co_await store_.users({.group = *id, .page = {.limit = 1}});
      refused.error().more["users"] = users ? users->total : 0;
    }
    co_return refused;
  }
  JsonObject json;
  json["moved"] = move_to ? *gone : 0;
  json["deleted"] = move_to ? 0 : *gone;
  co_return net::HttpResponse::json(200, json);
}

}  // namespace latchkey::console
