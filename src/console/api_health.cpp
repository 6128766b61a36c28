#include "console/api_health.h"

#include "console/fields.h"
#include "console/views.h"

namespace latchkey::console {

namespace {

JsonArray alerts_json(const std::vector<Alert>& alerts) {
  JsonArray items;
  for (const auto& alert : alerts) {
    items.push_back(JsonObject{{"id", alert.id}, {"severity", grants::name_of(alert.severity)}, {"title", alert.title}, {"detail", alert.detail},
                               {"since", base::to_rfc3339(alert.since)}, {"link", alert.link}, {"dismissible", alert.dismissible}});
  }
  return items;
}

}  // namespace

std::vector<Route> HealthApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/health-summary", Who::administrator, kPlain, 1024, [this](Call call) { return summary(std::move(call)); }},
      {"GET", "/api/v1/alerts", Who::administrator, kPlain, 1024, [this](Call call) { return list_alerts(std::move(call)); }},
      {"POST", "/api/v1/alerts/{id}/dismiss", Who::administrator, kPlain, 1024, [this](Call call) { return dismiss(std::move(call)); }},
      {"POST", "/api/v1/master-key/backup-done", Who::administrator, kPlain, 1024, [this](Call call) { return backup_done(std::move(call)); }},
  };
}

Task<Answer> HealthApi::summary(Call) {
  const auto groups = co_await store_.groups();
  if (!groups) co_return refuse(groups.error());
  const auto states = co_await store_.grant_states();
  if (!states) co_return refuse(states.error());
  const auto apps = co_await store_.apps();
  if (!apps) co_return refuse(apps.error());

  std::int64_t users = 0;
  std::int64_t oauth_users = 0;
  for (const auto& row : *groups) {
    users += row.users;
    oauth_users += row.oauth_users;
  }
  JsonObject by_state;
  for (int state = 0; state <= static_cast<int>(store::GrantState::revoked); ++state) {
    by_state[store::name_of(static_cast<store::GrantState>(state))] = 0;
  }
  std::int64_t grants = 0;
  for (const auto& row : *states) {
    by_state[store::name_of(row.state)] = row.count;
    grants += row.count;
  }
  JsonArray paused;
  for (const auto& app : *apps) {
    if (app.paused) paused.push_back(JsonObject{{"id", app.id}, {"name", app.id}, {"why", app.pause_reason}});
  }
  JsonObject json;
  json["users"] = users;
  json["oauth_users"] = oauth_users;
  json["groups"] = groups->size();
  json["grants"] = grants;
  json["by_state"] = std::move(by_state);
  json["dying_soon"] = dying_soon_();
  json["apps_paused"] = std::move(paused);
  json["alerts"] = alerts_json(alerts_.current());
  co_return net::HttpResponse::json(200, json);
}

Task<Answer> HealthApi::list_alerts(Call) {
  auto json = whole_list_json(alerts_json(alerts_.current()));
  json["put_away"] = alerts_json(alerts_.put_away());
  co_return net::HttpResponse::json(200, json);
}

Task<Answer> HealthApi::dismiss(Call call) {
  const auto done = alerts_.dismiss(call.values[0]);
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::no_content();
}

Task<Answer> HealthApi::backup_done(Call call) {
  const auto now = wall_.now();
  store::Batch batch;
  batch.push_back(store::PutMeta{std::string(kBackupDoneMeta), base::to_bytes(base::to_rfc3339(now))});
  batch.push_back(store::AppendAudit{{.at = now, .actor = call.principal.username, .action = "master_key.backup_confirmed",
                                      .subject = "master key", .source = call.source(), .detail = "A copy lies in a safe place."}});
  const auto done = co_await store_.commit(std::move(batch));
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::no_content();
}

}  // namespace latchkey::console
