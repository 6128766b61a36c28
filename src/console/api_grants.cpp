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

// How the audit trail's words read on a grant's page; empty: not shown there.
std::string_view event_of(std::string_view action) {
  struct Event {
    std::string_view action;
    std::string_view event;
  };
  static constexpr Event kEvents[] = {
      {"grant.authorized", "authorized"},   {"grant.reauthorized", "reauthorized"},
      {"grant.checked", "checked"},         {"grant.enabled", "enabled"},
      {"grant.disabled", "disabled"},       {"grant.needs_authorization", "refresh_failed"},
      {"grant.unreachable", "refresh_failed"}, {"grant.uncertain", "refresh_ambiguous"},
      {"grant.paused", "paused"},           {"grant.recovered", "resumed"},
      {"grant.revoked", "revoked"},         {"grant.held", "held"},
      {"grant.approved", "approved"},       {"grant.scopes_changed", "scopes_changed"},
      {"grant.warned", "warned"},           {"grant.refreshed", "refreshed"},
  };
  const auto* found = std::ranges::find(kEvents, action, &Event::action);
  return found == std::end(kEvents) ? std::string_view() : found->event;
}

bool has_word(std::string_view text, std::string_view word) {
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const bool begins = at == 0 || text[at - 1] == ' ';
    const bool ends = at + word.size() == text.size() || text[at + word.size()] == ' ';
    if (begins && ends) return true;
  }
  return false;
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
  const auto type = catalog_->find_type(grant->type);
  const auto provider = type ? catalog_->find_provider(type->provider) : nullptr;
  const auto revocation = revocation_of(provider.get());
  const std::string name = provider ? provider->name : "The provider";
  std::string detail = "The grant is gone here. ";
  switch (revocation) {
    case Revocation::asked:
      detail += name + " is asked to revoke it, unless another grant here rests on the same account.";
      break;
    case Revocation::perhaps:
      detail += name + " is asked to revoke it if it offers a way, unless another grant here rests on the same account.";
      break;
    case Revocation::by_hand:
      detail += name + " offers no way to revoke it from outside: remove the app in the account's own settings there.";
      break;
  }
  JsonObject json;
  json["revoked_at_provider"] = revocation != Revocation::by_hand;
  json["detail"] = std::move(detail);
  co_return net::HttpResponse::json(200, json);
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
  Query query(call.request);
  store::Page page{.cursor = query.text("cursor", {.min = 0, .max = 512}), .limit = static_cast<std::size_t>(query.integer("limit", 1, 200, 50))};
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  const bool first = page.cursor.empty();
  auto trail = co_await store_.audit({.search = grant->type, .action = "grant.", .user = grant->user, .page = std::move(page)});
  if (!trail) co_return refuse(trail.error());

  // Newest first; a multimap by time joins the trail with the counted hand-outs, which have rows of their own.
  std::multimap<WallTime, JsonObject, std::greater<>> items;
  for (const auto& entry : trail->items) {
    const auto event = event_of(entry.action);
    if (event.empty() || !has_word(entry.subject, grant->type)) continue;
    items.emplace(entry.at, JsonObject{{"at", base::to_rfc3339(entry.at)}, {"event", event}, {"detail", entry.detail},
                                       {"generation", nullptr}, {"count", 1}});
  }
  if (first) {
    const auto handouts = co_await store_.handouts(grant->id, wall_.now() - std::chrono::days(7));
    if (!handouts) co_return refuse(handouts.error());
    for (const auto& minute : *handouts) {
      items.emplace(minute.minute, JsonObject{{"at", base::to_rfc3339(minute.minute)}, {"event", "handed_out"}, {"detail", "Access token handed out."},
                                              {"generation", nullptr}, {"count", minute.count}});
    }
    if (grant->last_refreshed_at != WallTime{}) {
      items.emplace(grant->last_refreshed_at, JsonObject{{"at", base::to_rfc3339(grant->last_refreshed_at)}, {"event", "refreshed"},
                                                         {"detail", "The newest of all refreshes."}, {"generation", grant->generation}, {"count", 1}});
    }
  }
  JsonArray out;
  for (auto& [at, item] : items) out.push_back(std::move(item));
  co_return net::HttpResponse::json(200, list_json(std::move(out), trail->next_cursor, trail->total));
}

}  // namespace latchkey::console
