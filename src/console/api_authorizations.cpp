#include "console/api_authorizations.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/run_on.h"
#include "console/fields.h"
#include "console/requester.h"
#include "console/views.h"

namespace latchkey::console {

namespace {

constexpr std::size_t kPendingMost = 200;

// 'it'\''s' for POSIX shells.
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += "'\\''";
    else out += c;
  }
  return out + "'";
}

// The engine's word for a field, as the request calls it.
std::string request_field(const std::string& field, bool new_group) {
  if (field == "group") return new_group ? "new_group" : "group_id";
  if (field == "link_user") return "link_user_id";
  return field;
}

std::string_view title_of(std::string_view code) {
  struct Title {
    std::string_view code;
    std::string_view title;
  };
  static constexpr Title kTitles[] = {
      {"access_denied", "Consent was refused"},
      {"consent_required", "Consent is still needed"},
      {"expired", "Nobody consented in time"},
      {"unapproved", "Nobody approved in time"},
      {"code_over", "The provider's code was over too soon"},
      {"cancelled", "Cancelled"},
      {"rejected", "Rejected"},
      {"restored", "The server was restored meanwhile"},
      {"switched_off", "Switched off meanwhile"},
      {"user_disabled", "The user is switched off"},
      {"grant_disabled", "The account is switched off"},
      {"grant_revoked", "The account was revoked meanwhile"},
      {"wrong_provider", "The answer came from the wrong place"},
      {"host_not_allowed", "The provider sent us to a strange address"},
      {"endpoints_changed", "The provider's addresses have changed"},
      {"username_taken", "The username was taken meanwhile"},
      {"provider_unreachable", "The provider does not answer"},
      {"answer_lost", "The provider's answer was lost"},
      {"no_refresh_token", "The provider gave no lasting access"},
      {"account_taken", "The account is in use already"},
      {"invalid_client", "The provider refuses the app"},
      {"unauthorized_client", "The provider refuses the app"},
      {"app_misconfigured", "The provider refuses the app"},
  };
  const auto* found = std::ranges::find(kTitles, code, &Title::code);
  return found == std::end(kTitles) ? std::string_view("It did not work") : found->title;
}

Json device_json(const std::optional<grants::DevicePrompt>& device) {
  if (!device) return nullptr;
  return JsonObject{{"user_code", device->user_code}, {"verification_uri", device->verification_uri},
                    {"verification_uri_complete", device->verification_uri_complete}};
}

// The members that beginning and importing share. Faults stay with `fields`.
grants::AuthorizationWish read_wish(Fields& fields) {
  grants::AuthorizationWish wish;
  wish.group = fields.id<base::GroupTag>("group_id", Presence::optional);
  wish.new_group = fields.text("new_group", {.min = 1, .max = 128}, Presence::optional);
  wish.link_user = fields.id<base::UserTag>("link_user_id", Presence::optional);
  wish.replace = fields.id<base::GrantTag>("replace_grant_id", Presence::optional);
  wish.type = fields.text("type", {.min = 0, .max = 64}, wish.replace.none() ? Presence::required : Presence::optional);
  wish.params = fields.parameters("params");
  wish.app = fields.text("app", {.min = 0, .max = 63}, Presence::optional);
  wish.username = fields.text("username", {.min = 0, .max = 128}, Presence::optional);
  wish.name = fields.text("name", {.min = 0, .max = 200}, Presence::optional);
  wish.email = fields.text("email", {.min = 0, .max = 254}, Presence::optional);
  if (auto pin = fields.secret("pin", 4096, Presence::optional); !pin.empty()) wish.pin = std::move(pin);
  wish.allow_token = fields.boolean("allow_token", false);
  wish.expected_account = fields.text("expected_account", {.min = 0, .max = 320}, Presence::optional);
  const bool other_home = !wish.link_user.none() || !wish.replace.none();
  const int homes = int(!wish.group.none()) + int(!wish.new_group.empty()) + int(!wish.link_user.none()) + int(!wish.replace.none());
  if (homes == 0) fields.fault("group_id", "Choose a group, name a new one, or say whom to link to.");
  if (homes > 1) fields.fault("group_id", "Give one of group_id, new_group, link_user_id and replace_grant_id.");
  if (!other_home && wish.username.empty()) fields.fault("username", "This is needed.");
  return wish;
}

}  // namespace

std::string curl_line(std::string_view username, std::string_view type, std::string_view public_url) {
  return fmt::format("curl --user {} --data type={} {}/v1/token", shell_quoted(username), type, public_url);
}

std::vector<Route> AuthorizationsApi::routes() {
  constexpr auto kAdministrator = Who::administrator;
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/authorizations", kAdministrator, kPlain, 1024, [this](Call call) { return list(std::move(call)); }},
      {"POST", "/api/v1/authorizations", kAdministrator, Carries::secret, 32 * 1024, [this](Call call) { return begin(std::move(call)); }},
      {"POST", "/api/v1/authorizations/import", kAdministrator, Carries::secret, 64 * 1024, [this](Call call) { return import_token(std::move(call)); }},
      {"GET", "/api/v1/authorizations/{id}", kAdministrator, kPlain, 1024, [this](Call call) { return look(std::move(call)); }},
      {"POST", "/api/v1/authorizations/{id}/cancel", kAdministrator, kPlain, 1024, [this](Call call) { return cancel(std::move(call)); }},
      {"POST", "/api/v1/authorizations/{id}/confirm", kAdministrator, kPlain, 1024, [this](Call call) { return confirm(std::move(call)); }},
      {"POST", "/api/v1/authorizations/{id}/undo", kAdministrator, kPlain, 1024, [this](Call call) { return undo(std::move(call)); }},
  };
}

Task<Problem> AuthorizationsApi::problem_of_begin(Error error, bool new_group) {
  error.field = request_field(error.field, new_group);
  auto problem = problem_of(error);
  if (problem.code != "username_taken") co_return problem;
  const auto id = UserId::parse(error.detail);
  if (!id) co_return problem;
  const auto user = co_await store_.user(*id);
  if (!user || !*user) co_return problem;
  const auto group = co_await store_.group((*user)->group);
  const auto held = co_await store_.grants_of_user(*id);
  problem.more["existing_user"] =
      JsonObject{{"id", id->text()},
                 {"username", (*user)->username},
                 {"name", (*user)->name},
                 {"group", JsonObject{{"id", (*user)->group.text()}, {"name", group && *group ? (*group)->name : ""}}},
                 {"has_grants", held && !held->empty()}};
  co_return problem;
}

Task<Answer> AuthorizationsApi::begin(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto wish = read_wish(fields);
  const auto shown = fields.choice("presentation", {"popup", "page"}, Presence::optional);
  const auto way = fields.choice("way", {"browser", "device_code", "owner_link"}, Presence::optional);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  if (way == "device_code") wish.way = grants::AuthorizationWay::device_code;
  if (way == "owner_link") wish.way = grants::AuthorizationWay::owner_link;
  if (shown == "page") wish.presentation = grants::Presentation::page;
  const auto asked_way = wish.way;
  const bool new_group = !wish.new_group.empty();
  auto begun = co_await base::run_on(engine_, authorizer_.begin(std::move(wish), requester_of(call)));
  if (!begun) co_return std::unexpected(co_await problem_of_begin(begun.error(), new_group));
  JsonObject json;
  json["id"] = begun->id.text();
  json["start_url"] = begun->start_url;
  json["redirect_uri"] = begun->redirect_uri;
  json["expires_at"] = base::to_rfc3339(begun->expires_at);
  json["presentation"] = grants::name_of(begun->presentation);
  json["way"] = grants::name_of(asked_way);
  json["device"] = device_json(begun->device);
  co_return net::HttpResponse::json(201, json);
}

Task<Answer> AuthorizationsApi::import_token(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto wish = read_wish(fields);
  auto token = fields.secret("refresh_token", 16 * 1024);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  if (token.empty()) co_return refuse_field("refresh_token", "This is needed.");
  const bool new_group = !wish.new_group.empty();
  auto view = co_await base::run_on(engine_, authorizer_.import_token(std::move(wish), std::move(token), requester_of(call)));
  if (!view) co_return std::unexpected(co_await problem_of_begin(view.error(), new_group));
  auto answer = co_await view_answer(std::move(*view));
  if (answer) answer->status = 201;
  co_return answer;
}

std::string AuthorizationsApi::redirect_uri_of(const grants::AuthorizationView& view) const {
  if (!view.redirect_uri.empty()) return view.redirect_uri;
  const auto type = catalog_->find_type(view.type);
  return type ? apps_.redirect_uri(type->provider) : std::string();
}

Task<Answer> AuthorizationsApi::view_answer(grants::AuthorizationView view) {
  co_return net::HttpResponse::json(200, co_await view_json(std::move(view)));
}

// Attempts that are not over: whoever closed the dialog, or never had it, finds the question here (A4).
Task<Answer> AuthorizationsApi::list(Call call) {
  Query query(call.request);
  const auto wanted = query.choice("state", {"asking", "pending"});
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  const auto views = co_await base::run_on(engine_, authorizer_.pending(kPendingMost));
  if (!views) co_return refuse(views.error());
  JsonArray items;
  for (const auto& view : *views) {
    const bool pending = view.state == store::AuthorizationState::pending;
    if (!wanted.empty() && pending != (wanted == "pending")) continue;
    items.push_back(co_await view_json(view));
  }
  co_return net::HttpResponse::json(200, whole_list_json(std::move(items)));
}

Task<JsonObject> AuthorizationsApi::view_json(grants::AuthorizationView view) {
  JsonObject json;
  json["id"] = view.id.text();
  json["state"] = store::name_of(view.state);
  json["started"] = view.state != store::AuthorizationState::pending || view.opened;
  json["type"] = view.type;
  json["username"] = view.username;
  json["way"] = grants::name_of(view.way);
  json["device"] = device_json(view.device);
  json["link"] = view.link;
  json["redirect_uri"] = redirect_uri_of(view);
  json["expires_at"] = base::to_rfc3339(view.expires_at);
  json["problem"] = nullptr;
  json["confirmation"] = nullptr;
  json["result"] = nullptr;
  switch (view.state) {
    case store::AuthorizationState::pending: break;
    case store::AuthorizationState::failed:
    case store::AuthorizationState::cancelled:
    case store::AuthorizationState::expired:
      json["problem"] = JsonObject{{"code", view.problem_code.empty() ? "provider_error" : view.problem_code},
                                   {"title", title_of(view.problem_code)},
                                   {"detail", view.problem_text}};
      break;
    case store::AuthorizationState::held:
    case store::AuthorizationState::needs_confirmation: {
      auto now = account_json(view.account_id, view.account_name);
      if (now.is_null()) now = JsonObject{{"id", ""}, {"name", ""}};
      json["confirmation"] = JsonObject{{"code", view.state == store::AuthorizationState::held ? "held" : view.problem_code},
                                        {"before", JsonObject{{"id", view.before_id}, {"name", view.before_name}}},
                                        {"now", std::move(now)},
                                        {"holder", view.holder},
                                        {"question", view.question},
                                        {"detail", view.problem_text}};
      break;
    }
    case store::AuthorizationState::completed: {
      const auto user = co_await store_.user(view.user);
      const bool may_fetch = user && *user && ((*user)->uses & store::kUseToken) != 0;
      auto account = account_json(view.account_id, view.account_name);
      if (account.is_null()) account = JsonObject{{"id", ""}, {"name", ""}};
      json["result"] = JsonObject{{"user_id", view.user.text()},
                                  {"grant_id", view.grant.text()},
                                  {"account", std::move(account)},
                                  {"scopes", texts_json(view.scopes)},
                                  {"missing_scopes", texts_json(view.missing_scopes)},
                                  {"curl", may_fetch ? curl_line(view.username, view.type, public_url_) : ""},
                                  {"undo_until", view.replaced ? Json(nullptr) : time_json(view.expires_at)}};
      break;
    }
  }
  co_return json;
}

Task<Answer> AuthorizationsApi::show(AuthorizationId id) {
  auto view = co_await base::run_on(engine_, authorizer_.view(id));
  if (!view) co_return refuse(view.error());
  co_return co_await view_answer(std::move(*view));
}

Task<Answer> AuthorizationsApi::look(Call call) {
  const auto id = AuthorizationId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  Query query(call.request);
  const auto wait = query.integer("wait", 0, 25, 0);
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  auto view = wait == 0 ? co_await base::run_on(engine_, authorizer_.view(*id))
                        : co_await base::run_on(engine_, authorizer_.view_after_change(*id, Seconds(wait)));
  if (!view) co_return refuse(view.error());
  co_return co_await view_answer(std::move(*view));
}

Task<Answer> AuthorizationsApi::cancel(Call call) {
  const auto id = AuthorizationId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  const auto done = co_await base::run_on(engine_, authorizer_.cancel(*id, requester_of(call)));
  // Over already: the answer says what it became.
  if (!done && done.error().kind != ErrorKind::conflict) co_return refuse(done.error());
  co_return co_await show(*id);
}

Task<Answer> AuthorizationsApi::confirm(Call call) {
  const auto id = AuthorizationId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  const bool accept = fields.boolean("accept", false, Presence::required);
  auto question = fields.text("question", {.min = 1, .max = 64});
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  const auto answer = accept ? grants::Authorizer::Answer::accept : grants::Authorizer::Answer::reject;
  auto view = co_await base::run_on(engine_, authorizer_.confirm(*id, answer, std::move(question), requester_of(call)));
  if (!view) co_return refuse(view.error());
  co_return co_await view_answer(std::move(*view));
}

Task<Answer> AuthorizationsApi::undo(Call call) {
  const auto id = AuthorizationId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  const auto done = co_await base::run_on(engine_, authorizer_.undo(*id, requester_of(call)));
  if (!done) co_return refuse(done.error());
  co_return co_await show(*id);
}

}  // namespace latchkey::console
