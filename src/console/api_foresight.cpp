#include "console/api_foresight.h"

#include <algorithm>
#include <map>

#include "base/run_on.h"
#include "console/fields.h"
#include "console/requester.h"
#include "console/views.h"

namespace latchkey::console {

namespace {

constexpr std::size_t kRevokedAtOnce = 200;
constexpr int kHours = 24;

JsonObject states_json() {
  JsonObject states;
  for (int state = 0; state <= static_cast<int>(store::GrantState::revoked); ++state) states[store::name_of(static_cast<store::GrantState>(state))] = 0;
  return states;
}

JsonArray types_json(const grants::HealthPicture& picture, const catalog::Catalog& catalog) {
  std::map<std::string, JsonObject> types;
  for (const auto& row : picture.by_type) {
    auto [at, fresh] = types.try_emplace(row.type, states_json());
    at->second[store::name_of(row.state)] = row.count;
  }
  JsonArray out;
  for (auto& [id, states] : types) {
    const auto type = catalog.find_type(id);
    out.push_back(JsonObject{{"type", id}, {"name", type ? type->name : id}, {"states", std::move(states)}});
  }
  return out;
}

JsonArray spans_json(const std::vector<grants::SpanCount>& spans) {
  JsonArray out;
  for (const auto& span : spans) {
    out.push_back(JsonObject{{"from_s", span.from ? Json(span.from->count()) : Json(nullptr)},
                             {"until_s", span.until ? Json(span.until->count()) : Json(nullptr)}, {"count", span.count}});
  }
  return out;
}

// Every hour, also those in which nothing happened.
JsonArray hours_json(const grants::HealthPicture& picture) {
  const auto last = std::chrono::floor<std::chrono::hours>(picture.at);
  JsonArray out;
  for (int back = kHours - 1; back >= 0; --back) {
    const auto hour = last - std::chrono::hours(back);
    JsonObject json{{"at", base::to_rfc3339(hour)}};
    for (const auto name : grants::kOutcomeNames) {
      const auto wanted = std::string(grants::kOutcomeTallies) + std::string(name);
      const auto found = std::ranges::find_if(picture.outcomes, [&](const store::Tally& tally) { return tally.name == wanted && tally.at == hour; });
      json[name] = found == picture.outcomes.end() ? 0 : found->count;
    }
    out.push_back(std::move(json));
  }
  return out;
}

// One row an app, whether its provider has been asked since the start or not.
JsonArray apps_json(const grants::HealthPicture& picture, const catalog::Catalog& catalog) {
  JsonArray out;
  for (const auto& app : picture.apps) {
    const auto provider = catalog.find_provider(app.provider);
    const auto circuit = std::ranges::find(picture.circuits, app.id, &grants::AppCircuit::app);
    const bool open = circuit != picture.circuits.end() && circuit->open;
    JsonArray secrets;
    for (const auto& secret : app.secrets) {
      if (!secret.sealed.empty()) secrets.push_back(JsonObject{{"set_at", time_json(secret.set_at)}, {"expires_at", time_json(secret.expires_at)}});
    }
    out.push_back(JsonObject{{"id", app.id}, {"provider", app.provider}, {"provider_name", provider ? provider->name : app.provider},
                             {"paused", app.paused}, {"why", app.pause_reason}, {"circuit", open ? "open" : "closed"},
                             {"failures", circuit == picture.circuits.end() ? 0 : circuit->failures},
                             {"open_since", open ? time_json(circuit->since) : Json(nullptr)},
                             {"next_try_at", open ? time_json(circuit->next_try_at) : Json(nullptr)}, {"secrets", std::move(secrets)}});
  }
  return out;
}

JsonObject dying_json(const grants::HealthPicture& picture, const catalog::Catalog& catalog) {
  JsonArray items;
  for (const auto& each : picture.dying) {
    const auto type = catalog.find_type(each.grant.type);
    items.push_back(JsonObject{{"user_id", each.user.text()}, {"username", each.username}, {"type", each.grant.type},
                               {"type_name", type ? type->name : each.grant.type}, {"account", each.account_name},
                               {"ends_at", base::to_rfc3339(each.grant.ends_at)},
                               {"limit", each.grant.end == grants::End::idle ? "idle" : "absolute"}});
  }
  return {{"count", picture.dying_count}, {"by_day", JsonArray(picture.dying_by_day.begin(), picture.dying_by_day.end())}, {"items", std::move(items)}};
}

JsonObject revocations_json(const store::Listing<store::Revocation>& revocations) {
  JsonArray items;
  for (const auto& each : revocations.items) {
    items.push_back(JsonObject{{"subject", each.subject}, {"app", each.app}, {"attempts", each.attempts}, {"since", base::to_rfc3339(each.created_at)},
                               {"next_try_at", base::to_rfc3339(each.due_at)}, {"why", each.why}});
  }
  return {{"waiting", revocations.total}, {"items", std::move(items)}};
}

JsonObject counts_json(const std::map<std::string, std::int64_t>& counts) {
  JsonObject out;
  for (const auto& [name, count] : counts) out[name] = count;
  return out;
}

JsonArray channels_json(const std::vector<grants::ChannelStatus>& channels) {
  JsonArray out;
  for (const auto& each : channels) {
    out.push_back(JsonObject{{"channel", grants::name_of(each.channel)}, {"on", each.on}, {"target", each.target}, {"secret_set", each.secret_set},
                             {"last_told_at", time_json(each.last_told_at)}, {"failing_since", time_json(each.failing_since)},
                             {"problem", each.problem}, {"told", each.told}, {"failed", each.failed}});
  }
  return out;
}

}  // namespace

std::vector<Route> ForesightApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/health", Who::administrator, kPlain, 1024, [this](Call call) { return health(std::move(call)); }},
      {"GET", "/api/v1/notices", Who::administrator, kPlain, 1024, [this](Call call) { return notices(std::move(call)); }},
      {"POST", "/api/v1/notices/test", Who::administrator, kPlain, 1024, [this](Call call) { return test_notice(std::move(call)); }},
      {"PUT", "/api/v1/notices/{channel}/secret", Who::administrator, Carries::secret, 8 * 1024, [this](Call call) { return set_secret(std::move(call)); }},
      {"POST", "/api/v1/grants/revoke", Who::administrator, kPlain, 1024, [this](Call call) { return revoke(std::move(call)); }},
  };
}

Task<Answer> ForesightApi::health(Call) {
  const auto looked = co_await base::run_on(parts_.engine, parts_.health.look());
  if (!looked) co_return refuse(looked.error());
  const auto& picture = **looked;
  std::int64_t total = 0;
  auto by_state = states_json();
  for (const auto& row : picture.by_type) {
    total += row.count;
    by_state[store::name_of(row.state)].as_int64() += row.count;
  }
  JsonObject json;
  json["at"] = base::to_rfc3339(picture.at);
  json["grants"] = total;
  json["by_state"] = std::move(by_state);
  json["types"] = types_json(picture, *parts_.catalog);
  json["until_expiry"] = spans_json(picture.until_expiry);
  json["until_refresh"] = spans_json(picture.until_refresh);
  json["hours"] = hours_json(picture);
  json["apps"] = apps_json(picture, *parts_.catalog);
  json["dying"] = dying_json(picture, *parts_.catalog);
  json["revocations"] = revocations_json(picture.revocations);
  json["notices"] = channels_json(picture.channels);
  co_return net::HttpResponse::json(200, json);
}

Task<Answer> ForesightApi::notices(Call) {
  const auto status = co_await base::run_on(parts_.engine, parts_.notices.status());
  if (!status) co_return refuse(status.error());
  co_return net::HttpResponse::json(200, whole_list_json(channels_json(*status)));
}

Task<Answer> ForesightApi::test_notice(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  const auto channel = grants::parse_channel(fields.choice("channel", {"mail", "webhook"}));
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  const auto done = co_await base::run_on(parts_.engine, parts_.notices.test(*channel));
  // That it did not arrive is the answer, not a failure of this server.
  if (!done && done.error().reason == "channel_off") co_return refuse(done.error());
  co_return net::HttpResponse::json(200, JsonObject{{"ok", done.has_value()}, {"detail", done ? "It was taken." : done.error().text}});
}

Task<Answer> ForesightApi::set_secret(Call call) {
  const auto channel = grants::parse_channel(call.values[0]);
  if (!channel) co_return refuse_not_found();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto secret = fields.secret("value", 4096);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  const auto done = co_await base::run_on(parts_.engine, parts_.notices.set_secret(*channel, std::move(secret), call.principal.username, call.source()));
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::no_content();
}

Task<Answer> ForesightApi::revoke(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  grants::RevokeScope scope{.app = fields.text("app", {.min = 0, .max = 64}, Presence::optional),
                            .type = fields.text("type", {.min = 0, .max = 64}, Presence::optional)};
  const auto after = fields.id<base::GrantTag>("cursor", Presence::optional);
  const auto how = fields.boolean("dry_run", false) ? grants::OnRevoke::only_count : grants::OnRevoke::really;
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  const auto page = co_await base::run_on(parts_.engine, parts_.desk.revoke_page(std::move(scope), after, kRevokedAtOnce, how, requester_of(call)));
  if (!page) co_return refuse(page.error());
  co_return net::HttpResponse::json(200, JsonObject{{"grants", page->grants}, {"by_type", counts_json(page->by_type)},
                                                    {"by_hand", counts_json(page->by_hand)}, {"perhaps", counts_json(page->perhaps)},
                                                    {"next_cursor", page->more ? Json(page->last.text()) : Json(nullptr)}});
}

}  // namespace latchkey::console
