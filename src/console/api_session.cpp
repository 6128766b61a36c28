#include "console/api_session.h"

#include "console/api_health.h"
#include "console/fields.h"
#include "console/session_gate.h"
#include "console/views.h"
#include "grants/cloud_desk.h"

namespace latchkey::console {

std::string_view name_of(StoreKind kind) {
  switch (kind) {
    case StoreKind::sqlite: return "sqlite";
    case StoreKind::postgresql: return "postgresql";
  }
  return "sqlite";
}

std::vector<Route> SessionApi::routes() {
  return {
      {"GET", "/api/v1/setup", Who::anyone, Carries::nothing_secret, 1024, [this](Call call) { return setup_state(std::move(call)); }},
      {"POST", "/api/v1/setup", Who::anyone, Carries::secret, 8 * 1024, [this](Call call) { return finish_setup(std::move(call)); }},
      {"GET", "/api/v1/session", Who::anyone, Carries::nothing_secret, 1024, [this](Call call) { return who_am_i(std::move(call)); }},
      {"POST", "/api/v1/session", Who::anyone, Carries::secret, 8 * 1024, [this](Call call) { return sign_in(std::move(call)); }},
      {"DELETE", "/api/v1/session", Who::signed_in, Carries::nothing_secret, 1024, [this](Call call) { return sign_out(std::move(call)); }},
  };
}

Task<Answer> SessionApi::session_answer(int status, net::HttpRequest request, Principal principal) {
  const auto needed = co_await setup_.needed();
  if (!needed) co_return refuse(needed.error());
  const auto backed_up = co_await store_.meta(std::string(kBackupDoneMeta));
  if (!backed_up) co_return refuse(backed_up.error());
  const auto cloud = co_await store_.meta(std::string(grants::kCloudEnrolmentMeta));
  if (!cloud) co_return refuse(cloud.error());
  const bool administrator = principal.administrator();

  JsonObject server;
  server["version"] = principal.signed_in() ? facts_.version : "";
  server["public_url"] = facts_.public_url;
  server["sandbox"] = facts_.sandbox;
  server["master_key_backup_done"] = !administrator || !backed_up->empty();
  server["master_key_path"] = administrator ? keys_.status().path : "";
  server["store"] = administrator ? name_of(facts_.store) : "";
  server["insecure_notice"] = request.is_confidential() ? Json(nullptr) : Json(insecure_transport_text());
  server["cloud_service"] = principal.signed_in() && !cloud->empty() && cloud_used_();

  JsonObject json;
  json["signed_in"] = principal.signed_in();
  json["setup_needed"] = *needed;
  json["user"] = nullptr;
  if (principal.signed_in()) {
    json["user"] = JsonObject{{"id", principal.user.text()}, {"username", principal.username}, {"name", principal.name},
                              {"role", administrator ? "administrator" : "regular"}};
  }
  std::string fresh;
  if (principal.csrf_token.empty()) {
    fresh = sessions_.anonymous_token();
    principal.csrf_token = sessions_.csrf_token(fresh);
  }
  json["csrf_token"] = principal.csrf_token;
  json["expires_at"] = time_json(principal.expires_at);
  json["server"] = std::move(server);
  auto response = net::HttpResponse::json(status, json);
  if (!fresh.empty()) response.headers.add("Set-Cookie", session_cookie(request, fresh));
  co_return response;
}

Task<Answer> SessionApi::opened_answer(net::HttpRequest request, people::Sessions::Opened opened) {
  Principal principal;
  principal.kind = Principal::Kind::person;
  principal.user = opened.user.id;
  principal.username = opened.user.username;
  principal.name = opened.user.name;
  principal.role = opened.user.role;
  principal.csrf_token = sessions_.csrf_token(opened.token);
  principal.expires_at = opened.user.expires_at;
  auto answer = co_await session_answer(201, request, std::move(principal));
  // A new token at every sign-in: whoever knew the anonymous one gains nothing.
  if (answer) answer->headers.add("Set-Cookie", session_cookie(request, opened.token));
  co_return answer;
}

Task<Answer> SessionApi::setup_state(Call) {
  const auto needed = co_await setup_.needed();
  if (!needed) co_return refuse(needed.error());
  JsonObject json;
  json["needed"] = *needed;
  json["expires_at"] = *needed ? time_json(setup_.code_expires_at()) : Json(nullptr);
  co_return net::HttpResponse::json(200, json);
}

Task<Answer> SessionApi::finish_setup(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  people::Setup::Request request;
  request.code = fields.text("code", {.min = 1, .max = 200});
  request.username = fields.text("username", {.min = 1, .max = 128});
  request.password = fields.secret("password", 4096);
  request.name = fields.text("name", {.min = 0, .max = 200}, Presence::optional);
  request.group = fields.text("group", {.min = 0, .max = 128}, Presence::optional);
  request.source = call.source();
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  auto user = co_await setup_.finish(std::move(request));
  if (!user) co_return refuse(user.error());
  auto opened = co_await sessions_.open_for(std::move(*user), call.request.source().text());
  if (!opened) co_return refuse(opened.error());
  co_return co_await opened_answer(std::move(call.request), std::move(*opened));
}

Task<Answer> SessionApi::who_am_i(Call call) {
  co_return co_await session_answer(200, std::move(call.request), std::move(call.principal));
}

Task<Answer> SessionApi::sign_in(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  people::SignIn attempt;
  attempt.username = fields.text("username", {.min = 1, .max = 256});
  attempt.password = fields.secret("password", 4096);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  attempt.source = call.request.source().text();
  attempt.transport = transport_of(call.request);
  attempt.arrived = call.request.arrived;
  auto opened = co_await sessions_.sign_in(std::move(attempt));
  if (!opened) co_return refuse(opened.error());
  // The session whose cookie this one replaces would live on unseen; if it cannot be ended now, it ends by itself.
  if (call.principal.signed_in()) [[maybe_unused]] const auto ended = co_await sessions_.sign_out(call.principal.session_token);
  co_return co_await opened_answer(std::move(call.request), std::move(*opened));
}

Task<Answer> SessionApi::sign_out(Call call) {
  if (!call.principal.session_token.empty()) {
    const auto done = co_await sessions_.sign_out(call.principal.session_token);
    if (!done) co_return refuse(done.error());
  }
  auto response = net::HttpResponse::no_content();
  response.headers.add("Set-Cookie", expired_session_cookie(call.request));
  co_return response;
}

}  // namespace latchkey::console
