#include "console/api_owner.h"

#include <algorithm>

#include "base/run_on.h"
#include "console/fields.h"
#include "console/session_gate.h"
#include "console/views.h"

namespace latchkey::console {
namespace {

bool is_locked(const store::Grant& grant) { return grant.state == store::GrantState::disabled || grant.state == store::GrantState::revoked; }

// Whether authorise() could go on: what an administrator has locked stays so (grants/attempt_locks.h).
bool may_authorize(const store::Grant& grant) { return !is_locked(grant) && !grant.account_id.empty(); }

std::string why_for_owner(const store::Grant& grant) {
  if (grant.state == store::GrantState::disabled) return "Switched off here. Ask an administrator.";
  if (grant.state == store::GrantState::revoked) return "Revoked: nothing uses it any more. Ask an administrator, who can begin to have it authorised again.";
  if (!may_authorize(grant)) return why_of(grant) + " Which account this is was never learned. To have it authorised again, ask an administrator.";
  return why_of(grant);
}

// No more than its owner needs: neither app nor generation nor what it is called inside.
JsonObject owned_json(const store::Grant& grant, const catalog::Catalog& catalog) {
  const auto type = catalog.find_type(grant.type);
  const auto provider = type ? catalog.find_provider(type->provider) : nullptr;
  JsonObject json;
  json["id"] = grant.id.text();
  json["type_name"] = type ? type->name : grant.type;
  json["kind"] = type ? type->kind : "generic";
  json["provider_name"] = provider ? provider->name : grant.type;
  json["account"] = account_json(grant.account_id, grant.account_name);
  json["state"] = store::name_of(grant.state);
  json["why"] = why_for_owner(grant);
  json["may_authorize"] = may_authorize(grant);
  json["authorized_at"] = time_json(grant.created_at);
  json["last_used_at"] = time_json(grant.last_used_at);
  return json;
}

}  // namespace

std::vector<Route> OwnerApi::routes() {
  return {
      {"GET", "/api/v1/owner", Who::anyone, Carries::nothing_secret, 1024, [this](Call call) { return look(std::move(call)); }},
      {"POST", "/api/v1/owner/session", Who::anyone, Carries::secret, 8 * 1024, [this](Call call) { return sign_in(std::move(call)); }},
      {"DELETE", "/api/v1/owner/session", Who::anyone, Carries::nothing_secret, 1024, [this](Call call) { return sign_out(std::move(call)); }},
      {"POST", "/api/v1/owner/grants/{id}/authorize", Who::anyone, Carries::nothing_secret, 1024, [this](Call call) { return authorize(std::move(call)); }},
      {"DELETE", "/api/v1/owner/grants/{id}", Who::anyone, Carries::nothing_secret, 1024, [this](Call call) { return revoke(std::move(call)); }},
  };
}

Task<std::vector<Metric>> OwnerApi::collect() {
  const auto deed = [](std::string_view word, std::int64_t times) {
    return Metric{.name = "latchkey_owner_deeds_total", .help = "What owners did on the page of their own authorisations.", .kind = Metric::Kind::counter,
                  .labels = "deed=\"" + std::string(word) + "\"", .value = static_cast<double>(times)};
  };
  co_return std::vector<Metric>{deed("sign_in", sign_ins_), deed("authorize", authorized_), deed("revoke", revoked_)};
}

Task<Result<std::optional<OwnerApi::Holdings>>> OwnerApi::holdings_of(std::optional<OwnerPass> pass) {
  using Answer = Result<std::optional<Holdings>>;
  if (!pass) co_return Answer(std::nullopt);
  Holdings holdings{.user = {}, .grants = {}, .pass = *pass};
  if (!pass->grant.none()) {
    auto view = co_await parts_.store.grant(pass->grant);
    if (!view) co_return std::unexpected(view.error());
    // Not approved yet, gone, or of another account by now: the pass opens nothing.
    if (!*view || pass->account_id.empty() || (*view)->grant.account_id != pass->account_id) co_return Answer(std::nullopt);
    holdings.grants.push_back(std::move((*view)->grant));
  }
  const auto id = pass->grant.none() ? pass->user : holdings.grants.front().user;
  auto user = co_await parts_.store.user(id);
  if (!user) co_return std::unexpected(user.error());
  if (!*user || !(*user)->enabled) co_return Answer(std::nullopt);
  if (pass->grant.none() && (*user)->auth_epoch != pass->auth_epoch) co_return Answer(std::nullopt);
  holdings.user = std::move(**user);
  if (pass->grant.none()) {
    auto held = co_await parts_.store.grants_of_user(id);
    if (!held) co_return std::unexpected(held.error());
    holdings.grants = std::move(*held);
  }
  co_return Answer(std::move(holdings));
}

Task<std::expected<OwnerApi::Holdings, Problem>> OwnerApi::find(Call call) {
  const auto id = GrantId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto holdings = co_await holdings_of(parts_.passes.of(call.request));
  if (!holdings) co_return refuse(holdings.error());
  if (!*holdings) co_return refuse(401, "not_signed_in", "Come in with your username and PIN first; what was open has ended.");
  auto& found = **holdings;
  std::erase_if(found.grants, [&](const store::Grant& grant) { return grant.id != *id; });
  if (found.grants.empty()) co_return refuse_not_found();
  co_return std::move(found);
}

Answer OwnerApi::shown(int status, const std::optional<Holdings>& holdings) const {
  JsonObject json;
  json["signed_in"] = holdings.has_value();
  json["by"] = holdings ? Json(holdings->pass.grant.none() ? "pin" : "link") : Json(nullptr);
  json["username"] = holdings ? holdings->user.username : "";
  json["ends_at"] = holdings ? time_json(holdings->pass.ends) : Json(nullptr);
  JsonArray grants;
  if (holdings) {
    for (const auto& grant : holdings->grants) grants.push_back(owned_json(grant, *parts_.catalog));
  }
  json["grants"] = std::move(grants);
  return net::HttpResponse::json(status, json);
}

Task<Answer> OwnerApi::look(Call call) {
  const auto holdings = co_await holdings_of(parts_.passes.of(call.request));
  if (!holdings) co_return refuse(holdings.error());
  co_return shown(200, *holdings);
}

Task<Answer> OwnerApi::sign_in(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  people::Attempt attempt;
  attempt.username = fields.text("username", {.min = 1, .max = 256});
  attempt.pin = fields.secret("pin", 4096);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  attempt.source = call.request.source().text();
  attempt.address = call.request.client.text();
  attempt.transport = transport_of(call.request);
  attempt.arrived = call.request.arrived;
  const auto admitted = co_await parts_.gate.admit(std::move(attempt));
  if (!admitted) co_return refuse(admitted.error());
  const OwnerPass pass{.user = admitted->user, .auth_epoch = admitted->auth_epoch, .ends = parts_.passes.ends_after(kPassOfPin)};
  const auto holdings = co_await holdings_of(pass);
  if (!holdings) co_return refuse(holdings.error());
  sign_ins_ += 1;
  auto answer = shown(201, *holdings);
  if (answer) answer->headers.add("Set-Cookie", parts_.passes.cookie(call.request, pass));
  co_return answer;
}

Task<Answer> OwnerApi::sign_out(Call call) {
  auto response = net::HttpResponse::no_content();
  response.headers.add("Set-Cookie", OwnerPasses::forgotten(call.request));
  co_return response;
}

// The account stays the one it was: another one that consents is asked about in the console (C5).
Task<Answer> OwnerApi::authorize(Call call) {
  auto found = co_await find(call);
  if (!found) co_return std::unexpected(found.error());
  // There is nothing to compare with: whoever knows the PIN could put an account of their own in its place.
  if (found->grants.front().account_id.empty()) {
    co_return refuse(403, "not_allowed",
                     "Which account this is was never learned, so it cannot be told whether the same one consents. An administrator can authorise it again.");
  }
  if (const auto wait = pace_.take(found->user.id, parts_.steady.now()); wait > Seconds(0)) {
    co_return refuse(Error{.kind = ErrorKind::unavailable, .reason = "too_many_attempts",
                           .text = "This was begun several times within a minute. Finish one of them, or wait a little.", .retry_after = wait});
  }
  grants::AuthorizationWish wish;
  wish.replace = found->grants.front().id;
  grants::Requester requester{.actor = found->user.username, .user = found->user.id, .session_hash = {}, .source = call.source()};
  auto begun = co_await base::run_on(parts_.engine, parts_.authorizer.begin(std::move(wish), std::move(requester)));
  if (!begun) co_return refuse(begun.error());
  authorized_ += 1;
  co_return net::HttpResponse::json(201, JsonObject{{"start_url", begun->start_url}, {"expires_at", base::to_rfc3339(begun->expires_at)}});
}

Task<Answer> OwnerApi::revoke(Call call) {
  auto found = co_await find(call);
  if (!found) co_return std::unexpected(found.error());
  const auto grant = found->grants.front();
  grants::Requester requester{.actor = found->user.username, .user = found->user.id, .session_hash = {}, .source = call.source()};
  const auto done = co_await base::run_on(parts_.engine, parts_.desk.remove(grant.id, std::move(requester)));
  if (!done) co_return refuse(done.error());
  revoked_ += 1;
  co_return net::HttpResponse::json(200, removed_json(grant, *parts_.catalog));
}

}  // namespace latchkey::console
