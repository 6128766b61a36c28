#include "console/api_user_secrets.h"

#include "base/run_on.h"
#include "console/actor.h"
#include "console/fields.h"
#include "console/session_gate.h"

namespace latchkey::console {

namespace {

std::unexpected<Problem> refuse_secret(Error error) {
  if (error.reason == "no_such_user") return refuse_not_found();
  return refuse(error);
}

}  // namespace

std::vector<Route> UserSecretsApi::routes() {
  return {
      {"POST", "/api/v1/users/{id}/pin", Who::signed_in, Carries::secret, 16 * 1024, [this](Call call) { return set_pin(std::move(call)); }},
      {"POST", "/api/v1/users/{id}/password", Who::signed_in, Carries::secret, 16 * 1024, [this](Call call) { return set_password(std::move(call)); }},
  };
}

Task<std::expected<people::Confirmation, Problem>> UserSecretsApi::confirm(Call call, Secret own_password, std::string field) {
  if (call.principal.kind == Principal::Kind::command_line) co_return people::Confirmation::by_control_socket();
  if (own_password.empty()) co_return refuse_field(field, "Your own password is needed for this.");
  auto confirmed = co_await sessions_.confirm(call.principal.user, std::move(own_password), call.request.source().text(), call.request.arrived);
  if (!confirmed) {
    auto error = confirmed.error();
    error.field = std::move(field);
    co_return refuse(error);
  }
  co_return *confirmed;
}

Task<std::optional<people::Sessions::Kept>> UserSecretsApi::own_session(Principal principal, UserId changed) {
  if (principal.kind != Principal::Kind::person || principal.user != changed) co_return std::nullopt;
  auto kept = co_await sessions_.keep(principal.session_token, changed);
  if (!kept) co_return std::nullopt;
  co_return std::move(*kept);
}

// The change is made by now: at worst the person signs in again.
Task<Answer> UserSecretsApi::done(std::optional<people::Sessions::Kept> kept, store::User changed) {
  if (kept) [[maybe_unused]] const auto gone_on = co_await sessions_.go_on(std::move(*kept), std::move(changed));
  co_return net::HttpResponse::no_content();
}

Task<Answer> UserSecretsApi::change_pin(Call call, UserId id, Secret current, Secret fresh) {
  if (current.empty()) co_return refuse_field("current_pin", "The current PIN is needed to change it.");
  auto kept = co_await own_session(call.principal, id);
  const auto user = co_await directory_.change_pin(id, std::move(current), std::move(fresh), transport_of(call.request), actor_of(call), call.request.arrived);
  if (!user) co_return refuse_secret(user.error());
  co_return co_await done(std::move(kept), *user);
}

Task<Answer> UserSecretsApi::reset_pin(Call call, UserId id, Secret own_password, Secret fresh) {
  if (!call.principal.administrator()) {
    co_return refuse(403, "not_allowed", "Only an administrator can reset a PIN. With the current one you can change it.");
  }
  const auto actor = actor_of(call);
  const auto principal = call.principal;
  auto confirmed = co_await confirm(std::move(call), std::move(own_password), "admin_password");
  if (!confirmed) co_return std::unexpected(confirmed.error());
  auto kept = co_await own_session(principal, id);
  const auto user = co_await base::run_on(engine_, directory_.reset_pin(id, std::move(fresh), *confirmed, actor));
  if (!user) co_return refuse_secret(user.error());
  co_return co_await done(std::move(kept), *user);
}

Task<Answer> UserSecretsApi::set_pin(Call call) {
  const auto id = UserId::parse(call.values[0]);
  if (!id || !call.principal.may_see(*id)) co_return refuse_not_found();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto fresh = fields.secret("pin", 4096);
  const auto mode = fields.choice("mode", {"change", "reset"});
  auto current = fields.secret("current_pin", 4096, Presence::optional);
  auto own_password = fields.secret("admin_password", 4096, Presence::optional);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  if (mode == "change") co_return co_await change_pin(std::move(call), *id, std::move(current), std::move(fresh));
  co_return co_await reset_pin(std::move(call), *id, std::move(own_password), std::move(fresh));
}

Task<Answer> UserSecretsApi::set_password(Call call) {
  const auto id = UserId::parse(call.values[0]);
  if (!id || !call.principal.may_see(*id)) co_return refuse_not_found();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto fresh = fields.secret("password", 4096);
  auto own_password = fields.secret("current_password", 4096, Presence::optional);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  const auto actor = actor_of(call);
  const auto principal = call.principal;
  const auto confirmed = co_await confirm(std::move(call), std::move(own_password), "current_password");
  if (!confirmed) co_return std::unexpected(confirmed.error());
  // Without a password nobody stays signed in.
  std::optional<people::Sessions::Kept> kept;
  if (!fresh.empty()) kept = co_await own_session(principal, *id);
  std::optional<Secret> password;
  if (!fresh.empty()) password = std::move(fresh);
  const auto user = co_await directory_.set_password(*id, std::move(password), actor);
  if (!user) co_return refuse_secret(user.error());
  co_return co_await done(std::move(kept), *user);
}

}  // namespace latchkey::console
