// Authorising by way of the Cloud Service: which flows go there, and how they come back (RULES S2, S5).
#include <algorithm>

#include "grants/authorization_desk.h"

namespace latchkey::grants {
namespace {

constexpr std::string_view kAppGone = "The registration that this was begun with is not the Cloud Service's any more. Nothing was changed.";
// Less than any flow may live, so that clocks a minute apart do no harm.
constexpr Seconds kFlowLifetime{10 * 60};

CallbackPage page(std::string title, std::string text, AuthorizationId id = {}) {
  return {.succeeded = false, .title = std::move(title), .text = std::move(text), .id = id};
}

std::string title_of(const Error& error) {
  if (error.reason == "cloud_service_unreachable") return "The Cloud Service does not answer";
  if (error.reason == "cloud_handle_expired") return "This took too long";
  return "This answer cannot be used";
}

// `by_owner`: they have a link, which is still good in this browser, and no console, which is what the service's words speak of.
std::string text_of(const Error& error, bool by_owner) {
  if (by_owner)
    return "Nothing was changed. Open the link that you were sent once more, in this browser; if it does not go on from there, ask whoever sent it.";
  if (error.reason == "cloud_service_unreachable") {
    return "The provider has answered, but the Cloud Service that carries its answer cannot be reached from here. Nothing was changed. Go "
           "back to the console and press Authorize again; if it still does not answer, the console says so.";
  }
  return error.text + "\n\nGo back to the console and press Authorize again.";
}

}  // namespace

Task<Result<std::string>> AuthorizationDesk::cloud_app_for(std::string type, std::string wished) {
  if (parts_.cloud == nullptr || !parts_.use_cloud_service()) co_return std::string();
  const auto enrolment = co_await cloud_enrolment_.read();
  if (!enrolment) co_return std::unexpected(enrolment.error());
  const auto* app = *enrolment ? (*enrolment)->app_for(type, wished) : nullptr;
  if (app == nullptr && *enrolment && ((*enrolment)->app_to_agree_to(type, wished) != nullptr || (*enrolment)->app_to_agree_to(type) != nullptr)) {
    co_return fail(ErrorKind::misconfigured, "cloud_app_not_agreed",
                   "The Cloud Service offers a registration for this type that nobody here has agreed to as it is now: it says who sees codes and "
                   "tokens, and where they go. An administrator looks at it under OAuth settings, Cloud Service.",
                   {.field = "app"});
  }
  if (app == nullptr) co_return std::string();
  auto id = cloud_app_id((*enrolment)->address, *app);
  const auto record = co_await parts_.store.app(id);
  if (!record) co_return std::unexpected(record.error());
  const auto known = parts_.clients.catalog().find_type(type);
  const bool fits = *record && known && (*record)->provider == known->provider;
  co_return fits ? std::move(id) : std::string();
}

Task<Result<CloudEnrolment>> AuthorizationDesk::enrolment_for(CloudRoute route) {
  const auto enrolment = co_await cloud_enrolment_.read();
  if (!enrolment) co_return std::unexpected(enrolment.error());
  if (parts_.cloud == nullptr || !*enrolment || (*enrolment)->address != route.address) {
    co_return fail(ErrorKind::misconfigured, "cloud_not_enrolled",
                   "This account is authorised by way of the Cloud Service at " + route.address +
                       ", where this server is not enrolled any more. Enrol it again under OAuth settings, or register an app of your own.",
                   {.field = "app"});
  }
  const auto& origins = (*enrolment)->service.return_origins;
  if (std::ranges::find(origins, parts_.clients.address().url) == origins.end()) {
    co_return fail(ErrorKind::misconfigured, "cloud_return_origin",
                   "This server's public_url has changed since it was enrolled at the Cloud Service, which sends browsers back to the old "
                   "one only. Leave the Cloud Service under OAuth settings, and enrol again.");
  }
  co_return (*enrolment)->clone();
}

Task<Result<void>> AuthorizationDesk::check_way(const ProviderClient& client) {
  if (!client.cloud) co_return check_public_address();
  auto checked = co_await check_cloud(*client.cloud);
  // Somebody has left, enrolled anew or followed the keys while the service was asked: by what is there now.
  for (int race = 0; race < kCloudRaces && !checked && checked.error().kind == ErrorKind::conflict; ++race) checked = co_await check_cloud(*client.cloud);
  co_return checked;
}

Task<Result<void>> AuthorizationDesk::check_cloud(CloudRoute route) {
  auto enrolment = co_await enrolment_for(std::move(route));
  if (!enrolment) co_return std::unexpected(enrolment.error());
  // Before a browser goes where nobody answers, or where it would be refused.
  auto service = co_await parts_.cloud->ask(enrolment->clone());
  if (!service) co_return std::unexpected(service.error());
  if (service->keys == enrolment->service.keys) co_return Result<void>{};
  parts_.log.info("cloud_keys_followed", {{"from", enrolment->service.keys.key_id()}, {"to", service->keys.key_id()}});
  enrolment->service.keys = service->keys;
  co_return co_await parts_.store.commit(replace_cloud_enrolment(parts_.sealing, *enrolment));
}

Task<Result<std::string>> AuthorizationDesk::begin_address(const Flow& flow, const ProviderClient& client, std::string location) {
  auto enrolment = co_await enrolment_for(*client.cloud);
  if (!enrolment) co_return std::unexpected(enrolment.error());
  const auto values = values_of_json(flow.record.grant.params_json);
  cloud::FlowRequest request{.office = {},
                             .attempt = flow.row.id.text(),
                             .type = flow.record.grant.type,
                             .params = {values.begin(), values.end()},
                             .app = client.cloud->app,
                             .username = flow.record.user.username,
                             .authorization_url = std::move(location),
                             .return_origin = parts_.clients.address().url,
                             .expires_at = {}};
  const auto lifetime = std::min<Milliseconds>(flow.row.expires_at - parts_.wall.now(), kFlowLifetime);
  co_return parts_.cloud->begin_address(*enrolment, std::move(request), lifetime);
}

Task<CallbackPage> AuthorizationDesk::relayed(std::string attempt, std::string handle, Parameters flow_cookies) {
  const auto id = AuthorizationId::parse(attempt);
  if (!id) {
    refused_.note("attempt_unknown");
    co_return over();
  }
  auto row = co_await parts_.store.authorization(*id);
  if (!row || !*row || (*row)->state != store::AuthorizationState::pending || (*row)->state_hash.empty()) {
    refused_.note(row ? "attempt_over" : "store_unavailable");
    co_return over();
  }
  const auto flow = open(std::move(**row));
  if (!flow || flow->record.cloud_app.empty()) {
    refused_.note("wrong_door", id->text());
    co_return over();
  }
  const bool same_browser = cookies_.match(*id, flow->record.cookie_hash, flow_cookies);
  const bool by_owner = same_browser && flow->record.way == AuthorizationWay::owner_link;
  const auto refused = [&](std::string_view reason, std::string title, std::string text) {
    refused_.note(reason, id->text());
    auto shown = page(std::move(title), std::move(text));
    shown.viewer = flow->record.viewer(same_browser);
    return shown;
  };
  const auto client =
      co_await parts_.clients.shared_client_for(flow->record.grant.type, flow->record.grant.app, flow->record.grant.params_json, "{}");
  if (!client) co_return refused(client.error().reason, "This cannot go on", client.error().text);
  if (!(*client)->cloud) co_return refused("app_gone", "This cannot go on", std::string(kAppGone));
  auto enrolment = co_await enrolment_for(*(*client)->cloud);
  if (!enrolment) co_return refused(enrolment.error().reason, "This cannot go on", enrolment.error().text);
  const auto result = co_await parts_.cloud->collect(std::move(*enrolment), std::move(handle));
  // Whoever brings a handle that is worth nothing ends nobody's attempt.
  if (!result) co_return refused(result.error().reason, title_of(result.error()), text_of(result.error(), by_owner));
  if (result->attempt != id->text() || result->app != flow->record.cloud_app)
    co_return refused("handle_of_another", "This answer is another authorisation's", "It was not used.");
  auto shown = co_await without_its_cookie(
      co_await answer_callback(flow->record.grant.app, std::string(result->query.reveal_text()), std::move(flow_cookies), *id));
  if (shown.viewer == Viewer::unknown) shown.viewer = flow->record.viewer(same_browser);
  co_return shown;
}

}  // namespace latchkey::grants
