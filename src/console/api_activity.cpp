#include "console/api_activity.h"

#include <algorithm>

#include "base/bytes.h"
#include "console/fields.h"
#include "console/views.h"

namespace latchkey::console {

namespace {

constexpr auto kHandoutsShown = std::chrono::days(7);
constexpr std::size_t kHandoutMinutesMost = 500;

// Every action the rooms below write, for the filter of the page.
constexpr std::string_view kActions[] = {
    "app.added", "app.changed", "app.deleted", "app.paused", "app.resumed", "authorization.cancelled",
    "authorization.expired", "authorization.failed", "authorization.mailed", "authorization.outdated", "authorization.refused",
    "authorization.rejected", "authorization.started", "authorization.unapproved", "authorization.undone", "connector.added", "connector.changed",
    "connector.deleted", "connector.delegation_ended", "delivery.cancelled", "delivery.deleted", "delivery.downloaded", "delivery.expired",
    "delivery.rerouted", "delivery.retried", "device.added", "device.changed", "device.deleted", "device.secret_renewed",
    "grant.authorized", "grant.checked", "grant.deleted",
    "grant.disabled", "grant.enabled", "grant.needs_authorization", "grant.paused", "grant.reauthorized", "grant.recovered", "grant.revoked",
    "grant.revoked_at_provider", "grant.not_revoked",
    "grant.scopes_changed", "grant.uncertain", "grant.unreachable", "group.created", "group.deleted", "group.renamed",
    "master_key.backup_confirmed", "master_key.rotated", "master_key.rotation_begun", "node.forgotten", "notices.secret_set", "session.opened",
    "setting.changed",
    "setting.reset", "store.backed_up", "store.broken_trail_accepted", "store.restored", "user.changed",
    "user.created", "user.deleted", "user.locked", "user.password_removed", "user.password_set", "user.pin_changed",
    "user.pin_reset", "user.pin_seen_in_clear", "user.pin_set", "user.throttle_reset",
};

std::string_view actor_kind(std::string_view actor) {
  if (actor == "cli") return "command_line";
  if (actor.empty() || actor == "keeper" || actor == "latchkey" || actor == "server") return "server";
  return "user";
}

std::string_view subject_kind(std::string_view action) {
  const auto area = action.substr(0, action.find('.'));
  if (area == "group") return "group";
  if (area == "grant" || area == "authorization") return "grant";
  if (area == "app") return "app";
  if (area == "setting") return "setting";
  if (area == "session") return "session";
  if (area == "user" || area == "setup") return "user";
  if (area == "connector" || area == "device" || area == "delivery") return area;
  return "server";
}

JsonObject item_json(const store::AuditEntry& entry) {
  JsonObject json;
  json["seq"] = entry.sequence;
  json["at"] = base::to_rfc3339(entry.at);
  json["actor"] = JsonObject{{"kind", actor_kind(entry.actor)}, {"id", nullptr}, {"name", entry.actor.empty() ? "server" : entry.actor}};
  json["action"] = entry.action;
  if (entry.subject.empty()) {
    json["subject"] = nullptr;
  } else {
    json["subject"] = JsonObject{{"kind", subject_kind(entry.action)},
                                 {"id", entry.user.none() ? Json(nullptr) : Json(entry.user.text())},
                                 {"name", entry.subject}};
  }
  json["source"] = entry.source;
  json["detail"] = entry.detail;
  return json;
}

}  // namespace

std::vector<Route> ActivityApi::routes() {
  return {
      {"GET", "/api/v1/activity", Who::administrator, Carries::nothing_secret, 1024, [this](Call call) { return list(std::move(call)); }},
      {"GET", "/api/v1/activity/verify", Who::administrator, Carries::nothing_secret, 1024, [this](Call call) { return verify(std::move(call)); }},
  };
}

// What has been handed out of a user's grants: counted per grant and minute, newest first.
Task<Result<JsonArray>> ActivityApi::handouts_of(UserId user) {
  const auto grants = co_await store_.grants_of_user(user);
  if (!grants) co_return std::unexpected(grants.error());
  std::vector<std::pair<store::HandoutCount, std::string>> minutes;
  for (const auto& grant : *grants) {
    auto counts = co_await store_.handouts(grant.id, wall_.now() - kHandoutsShown);
    if (!counts) co_return std::unexpected(counts.error());
    for (auto& count : *counts) minutes.emplace_back(std::move(count), grant.type);
  }
  std::ranges::sort(minutes, std::greater(), [](const auto& each) { return each.first.minute; });
  if (minutes.size() > kHandoutMinutesMost) minutes.resize(kHandoutMinutesMost);
  JsonArray out;
  for (const auto& [count, type] : minutes) {
    out.push_back(JsonObject{{"at", base::to_rfc3339(count.minute)}, {"grant_id", count.grant.text()}, {"type", type}, {"count", count.count}});
  }
  co_return out;
}

Task<Answer> ActivityApi::list(Call call) {
  Query query(call.request);
  store::AuditQuery wanted;
  wanted.search = query.text("search", {.min = 0, .max = 200});
  wanted.action = query.text("action", {.min = 0, .max = 64});
  wanted.user = query.id_if<base::UserTag>("user");
  wanted.since = query.time_if("since").value_or(WallTime{});
  wanted.page = {.cursor = query.text("cursor", {.min = 0, .max = 512}), .limit = static_cast<std::size_t>(query.integer("limit", 1, 200, 50))};
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  const bool whole = wanted.page.cursor.empty() && wanted.search.empty() && wanted.action.empty();
  const auto user = whole ? wanted.user : std::nullopt;
  const auto trail = co_await store_.audit(std::move(wanted));
  if (!trail) co_return refuse(trail.error());
  JsonArray handouts;
  if (user) {
    auto counted = co_await handouts_of(*user);
    if (!counted) co_return refuse(counted.error());
    handouts = std::move(*counted);
  }
  JsonArray items;
  std::vector<std::string> actions(std::begin(kActions), std::end(kActions));
  for (const auto& entry : trail->items) {
    items.push_back(item_json(entry));
    if (std::ranges::find(actions, entry.action) == actions.end()) actions.push_back(entry.action);
  }
  std::ranges::sort(actions);
  auto json = list_json(std::move(items), trail->next_cursor, trail->total);
  json["actions"] = texts_json(actions);
  json["handouts"] = std::move(handouts);
  co_return net::HttpResponse::json(200, json);
}

Task<Answer> ActivityApi::verify(Call) {
  const auto newest = co_await store_.audit({.page = {.limit = 1}});
  if (!newest) co_return refuse(newest.error());
  const auto bad = co_await store_.verify_audit();
  if (!bad) co_return refuse(bad.error());
  const bool any = !newest->items.empty();
  JsonObject json;
  json["ok"] = !bad->has_value();
  json["checked"] = any ? newest->items.front().sequence : 0;
  json["first_bad_seq"] = *bad ? Json(**bad) : Json(nullptr);
  json["head"] = any ? base::to_hex(newest->items.front().hash) : "";
  co_return net::HttpResponse::json(200, json);
}

}  // namespace latchkey::console
