#include "console/api_grants.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "base/run_on.h"
#include "console/fields.h"
#include "console/requester.h"
#include "console/views.h"

namespace latchkey::console {

namespace {

constexpr Seconds kChecksApart{60};

constexpr auto kHandoutsShown = std::chrono::days(30);

std::string_view event_name(store::GrantEventKind kind) {
  using enum store::GrantEventKind;
  switch (kind) {
    case authorized: return "authorized";
    case reauthorized: return "reauthorized";
    case refreshed: return "refreshed";
    case failed: return "refresh_failed";
    case ambiguous: return "refresh_ambiguous";
    case refused: return "refresh_refused";
    case paused: return "paused";
    case needs_authorization: return "needs_authorization";
    case scopes_changed: return "scopes_changed";
    case checked: return "checked";
    case enabled: return "enabled";
    case disabled: return "disabled";
    case revoked: return "revoked";
    case pin_reset: return "pin_reset";
  }
  return "refreshed";
}

// How many refreshes came after a row and before the next one: those have no row of their own, and each made a generation. A newer
// row of refreshes, or of a consent, counts the generation it names; any other names the one in use when it was written.
std::int64_t refreshes_after(const store::GrantEvent& event, const store::GrantEvent* newer, store::GenerationNumber now) {
  const bool next_counts_itself = newer != nullptr && (newer->kind == store::GrantEventKind::refreshed ||
                                                       newer->kind == store::GrantEventKind::reauthorized);
  const auto last = newer == nullptr ? now : newer->generation - (next_counts_itself ? 1 : 0);
  return std::max<std::int64_t>(0, last - event.generation);
}

}  // namespace

std::vector<Route> GrantsApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/grants/{id}", Who::signed_in, kPlain, 1024, [this](Call call) { return get(std::move(call)); }},
      {"PATCH", "/api/v1/grants/{id}", Who::administrator, kPlain, 1024, [this](Call call) { return patch(std::move(call)); }},
      {"DELETE", "/api/v1/grants/{id}", Who::signed_in, kPlain, 1024, [this](Call call) { return remove(std::move(call)); }},
      {"POST", "/api/v1/grants/{id}/refresh", Who::administrator, kPlain, 1024, [this](Call call) { return refresh(std::move(call)); }},
      {"POST", "/api/v1/grants/{id}/check", Who::signed_in, kPlain, 1024, [this](Call call) { return check(std::move(call)); }},
      {"POST", "/api/v1/grants/{id}/approve", Who::administrator, kPlain, 1024, [this](Call call) { return approve(std::move(call)); }},
      {"GET", "/api/v1/grants/{id}/timeline", Who::signed_in, kPlain, 1024, [this](Call call) { return timeline(std::move(call)); }},
  };
}

Task<std::expected<store::Grant, Problem>> GrantsApi::find(const Call& call) {
  const auto id = GrantId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  const auto principal = call.principal;
  auto view = co_await store_.grant(*id);
  if (!view) co_return refuse(view.error());
  if (!*view || !principal.may_see((*view)->grant.user)) co_return refuse_not_found();
  co_return std::move((*view)->grant);
}

Task<Answer> GrantsApi::get(Call call) {
  auto grant = co_await find(call);
  if (!grant) co_return std::unexpected(grant.error());
  co_return net::HttpResponse::json(200, grant_json(*grant, *catalog_));
}

Task<Answer> GrantsApi::patch(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  const bool enabled = fields.boolean("enabled", true, Presence::required);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  auto grant = co_await find(call);
  if (!grant) co_return std::unexpected(grant.error());
  auto changed = co_await base::run_on(engine_, desk_.set_enabled(grant->id, enabled, requester_of(call)));
  if (!changed) co_return refuse(changed.error());
  co_return net::HttpResponse::json(200, grant_json(*changed, *catalog_));
}

Task<Answer> GrantsApi::remove(Call call) {
  auto grant = co_await find(call);
  if (!grant) co_return std::unexpected(grant.error());
  const auto done = co_await base::run_on(engine_, desk_.remove(grant->id, requester_of(call)));
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::json(200, removed_json(*grant, *catalog_));
}

Task<Answer> GrantsApi::refresh(Call call) {
  auto grant = co_await find(call);
  if (!grant) co_return std::unexpected(grant.error());
  auto refreshed = co_await base::run_on(engine_, desk_.refresh(grant->id, requester_of(call)));
  if (!refreshed) co_return refuse(refreshed.error());
  co_return net::HttpResponse::json(200, grant_json(*refreshed, *catalog_));
}

bool GrantsApi::may_check_now(GrantId grant, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(checked_, [&](const auto& each) { return now - each.second >= kChecksApart; });
  return checked_.try_emplace(grant, now).second;
}

Task<Answer> GrantsApi::check(Call call) {
  auto grant = co_await find(call);
  if (!grant) co_return std::unexpected(grant.error());
  const auto began = steady_.now();
  // It fetches a new token, which is an administrator's to order; everybody else may once a minute (F9).
  if (!call.principal.administrator() && !may_check_now(grant->id, began)) {
    auto problem = refuse(429, "too_many_attempts", "This grant was checked a moment ago. Wait a minute, then check again.").error();
    problem.retry_after = kChecksApart;
    co_return std::unexpected(std::move(problem));
  }
  const auto checked = co_await base::run_on(engine_, desk_.check(grant->id, requester_of(call)));
  const auto took = std::chrono::duration_cast<Milliseconds>(steady_.now() - began).count();
  JsonObject json;
  json["ok"] = checked.has_value();
  json["took_ms"] = took;
  if (checked) {
    json["account"] = account_json(checked->account_id, checked->account_name);
    json["detail"] = checked->words;
  } else {
    const auto problem = problem_of(checked.error());
    if (problem.status == 500 || problem.status == 404) co_return std::unexpected(problem);
    json["account"] = nullptr;
    json["detail"] = problem.detail;
  }
  co_return net::HttpResponse::json(200, json);
}

Task<Answer> GrantsApi::approve(Call call) {
  auto grant = co_await find(call);
  if (!grant) co_return std::unexpected(grant.error());
  // Consents are held before a grant comes to be: POST /authorizations/{id}/confirm approves those.
  if (grant->state != store::GrantState::held) co_return refuse(409, "not_waiting", "This grant waits for nobody's approval.");
  auto changed = co_await base::run_on(engine_, desk_.set_enabled(grant->id, true, requester_of(call)));
  if (!changed) co_return refuse(changed.error());
  co_return net::HttpResponse::json(200, grant_json(*changed, *catalog_));
}

Task<Answer> GrantsApi::timeline(Call call) {
  auto grant = co_await find(call);
  if (!grant) co_return std::unexpected(grant.error());
  const auto events = co_await store_.grant_events(grant->id);
  if (!events) co_return refuse(events.error());
  const auto handouts = co_await store_.handouts(grant->id, wall_.now() - kHandoutsShown);
  if (!handouts) co_return refuse(handouts.error());

  // Newest first, by the last of what a line stands for.
  std::multimap<WallTime, JsonObject, std::greater<>> items;
  const auto add = [&](WallTime at, WallTime since, std::string_view event, std::int64_t count, Json generation) -> JsonObject& {
    return items.emplace(at, JsonObject{{"at", base::to_rfc3339(at)}, {"since", base::to_rfc3339(since)}, {"event", event}, {"detail", ""},
                                        {"generation", std::move(generation)}, {"count", count}, {"actor", ""}, {"reply", nullptr}})->second;
  };
  const store::GrantEvent* newer = nullptr;
  for (const auto& event : *events) {
    const auto more = refreshes_after(event, newer, grant->generation);
    const auto last_refresh = newer == nullptr ? std::max(event.last_at, grant->last_refreshed_at) : newer->at;
    if (event.kind == store::GrantEventKind::refreshed) {
      add(more > 0 && newer == nullptr ? last_refresh : event.last_at, event.at, event_name(event.kind), 1 + more, event.generation);
    } else {
      if (more > 0) add(last_refresh, event.last_at, event_name(store::GrantEventKind::refreshed), more, event.generation + more);
      auto& item = add(event.last_at, event.at, event_name(event.kind), event.count, event.generation);
      item["detail"] = event.detail;
      item["actor"] = event.actor;
      if (event.status != 0 || !event.error.empty()) item["reply"] = JsonObject{{"status", event.status}, {"error", event.error}};
    }
    newer = &event;
  }
  // Hand-outs by the day.
  std::map<WallTime, std::pair<store::HandoutCount, WallTime>> days;
  for (const auto& minute : *handouts) {
    auto [at, fresh] = days.try_emplace(std::chrono::floor<std::chrono::days>(minute.minute), minute, minute.minute);
    if (!fresh) {
      at->second.first.count += minute.count;
      at->second.second = std::max(at->second.second, minute.minute);
    }
  }
  for (const auto& [day, of_day] : days) {
    add(of_day.second, of_day.first.minute, "handed_out", of_day.first.count, nullptr);
  }
  JsonArray out;
  for (auto& [at, item] : items) out.push_back(std::move(item));
  co_return net::HttpResponse::json(200, whole_list_json(std::move(out)));
}

}  // namespace latchkey::console
