#include "doctor/redirect_uri_check.h"

#include <algorithm>

#include "base/bytes.h"

namespace latchkey::doctor {

namespace {

constexpr std::size_t kEndpointsAskedMax = 2;  // each takes its time

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [text](std::string_view word) { return text.contains(word); });
}

// What the catalogue alone can say against it; nullopt: nothing.
std::optional<std::string> forbidden_scheme(const SurveyedApp& app) {
  const auto url = oauth::parse_url(app.redirect_uri);
  if (!url || !app.provider || url->scheme == "https") return std::nullopt;
  const auto& rules = app.provider->redirect;
  if (!url->loopback() && rules.https_required) return app.provider->name + " takes https redirect addresses only.";
  if (url->loopback() && rules.http_localhost == false)
    return app.provider->name + " does not take http://localhost either.";
  return std::nullopt;
}

Finding draft(const SurveyedApp& app) {
  return {.check = {},
          .subject = app.id,
          .seen = {},
          .remedy = {},
          .handovers = {{.kind = Handover::Kind::copy, .label = "Redirect URI of " + app.name, .text = app.redirect_uri}}};
}

Result<std::string> address_to_ask(const SurveyedApp& app, const catalog::ResolvedType& type,
                                   const oauth::Endpoints& endpoints, Entropy& entropy) {
  const auto pkce = oauth::make_pkce(entropy);
  oauth::AuthorizationRequest request{
      .endpoint = endpoints.authorization,
      .client_id = app.client_id,
      .redirect_uri = app.redirect_uri,
      .scopes = type.scopes,
      .scope_separator = type.provider->scope_separator,
      // A value of the right form that opens nothing: no verifier is kept, no attempt waits for it.
      .state = oauth::pkce_challenge(pkce.verifier),
      .prompt = "none"};
  if (type.provider->pkce) {
    request.code_challenge = pkce.challenge;
    if (type.has(catalog::Quirk::challenge_method_lower_case)) request.code_challenge_method = "s256";
  }
  if (std::ranges::find(type.scopes, "openid") != type.scopes.end()) request.nonce = pkce.challenge;
  request.extra = type.extra.authorize;
  std::erase_if(request.extra, [](const auto& pair) { return pair.first == "prompt"; });
  return oauth::authorization_url(request);
}

void put_into_words(Finding& finding, Registration registration, const SurveyedApp& app) {
  const auto& provider = app.provider->name;
  const auto note = app.provider->redirect.note.empty() ? std::string() : " " + app.provider->redirect.note;
  switch (registration) {
    case Registration::known:
      finding.seen = provider + " knows this client and this redirect URI.";
      return;
    case Registration::redirect_uri_refused:
      finding.severity = Severity::error;
      finding.seen = provider + " refuses this redirect URI for this client.";
      finding.remedy =
          "Register exactly this address with the app there, upper and lower case and the missing slash at its end "
          "included." +
          note;
      return;
    case Registration::client_refused:
      finding.severity = Severity::error;
      finding.seen = provider + " does not know the client ID " + app.client_id + ".";
      finding.remedy =
          "Compare the client ID under OAuth settings with the registration there: it is the application's, not a secret's "
          "or a directory's.";
      return;
    case Registration::untold:
      finding.severity = Severity::note;
      finding.seen = provider + " does not say beforehand whether it knows this redirect URI.";
      finding.remedy = "Compare it with the registration there: exactly this address, byte for byte." + note;
      return;
  }
}

bool is_refusal(Registration registration) {
  return registration == Registration::redirect_uri_refused || registration == Registration::client_refused;
}

// Before the first consent it is not known for which kind of account the app is registered: where one authorization endpoint
// knows nothing of it, another one of the provider's may. In use, the endpoint counts that is in use.
std::vector<const catalog::ResolvedType*> types_to_ask(const SurveyedApp& app) {
  std::vector<const catalog::ResolvedType*> out;
  for (const auto& each : app.types) {
    const auto same = [&](const catalog::ResolvedType* other) {
      return other->endpoints.authorization == each.type.endpoints.authorization && other->discovery == each.type.discovery;
    };
    if (std::ranges::none_of(out, same)) out.push_back(&each.type);
    if (each.grants > 0 || out.size() == kEndpointsAskedMax) break;
  }
  return out;
}

// Errors: why it could not be asked, in words. `app` and `type` belong to the survey.
Task<Result<Registration>> ask(const SurveyedApp* app, const catalog::ResolvedType* type, net::HttpTransport* transport, Entropy* entropy,
                               oauth::PlainHttp plain_http) {
  const auto untold = [](std::string words) { return fail(ErrorKind::unavailable, "not_asked", std::move(words)); };
  const auto endpoints = co_await endpoints_of(*type, *transport, plain_http);
  if (!endpoints) co_return untold("It could not be asked: " + endpoints.error().text);
  const auto address = address_to_ask(*app, *type, *endpoints, *entropy);
  if (!address) co_return untold("It could not be asked: " + address.error().text);
  net::HttpCall call{.method = "GET", .url = *address};
  call.headers.set("Accept", "text/html");
  call.connect_timeout = Milliseconds(4'000);
  call.total_timeout = Milliseconds(6'000);
  const auto outcome = co_await transport->send(std::move(call));
  const auto* reply = std::get_if<net::Reply>(&outcome);
  if (reply == nullptr) co_return untold(app->provider->name + " did not answer; the outgoing check says more.");
  co_return read_answer(*reply, app->redirect_uri);
}

// `app` belongs to the survey.
Task<std::vector<Finding>> examine(const SurveyedApp* app, net::HttpTransport* transport, Entropy* entropy,
                                   oauth::PlainHttp plain_http) {
  auto finding = draft(*app);
  const auto untold = [&finding](std::string seen) {
    finding.severity = Severity::note;
    finding.seen = std::move(seen);
    finding.remedy = "Compare it with the registration there: exactly this address, byte for byte.";
    return std::vector<Finding>{finding};
  };
  if (!app->cloud_address.empty()) {
    finding.seen =
        "Consent comes back to the Cloud Service at " + app->cloud_address + "; its operator registers the redirect URI.";
    finding.handovers.clear();  // there is nothing to register here
    co_return std::vector<Finding>{std::move(finding)};
  }
  if (!app->provider) co_return untold("The provider's file is gone, so its authorization endpoint is not known.");
  if (const auto against = forbidden_scheme(*app)) {
    finding.severity = Severity::error;
    finding.seen = *against;
    finding.remedy = "Set public_url to an https address (docs/https.md), then register the redirect URI that results.";
    co_return std::vector<Finding>{std::move(finding)};
  }
  if (app->types.empty())
    co_return untold("Where to ask depends on what is entered with the first user, so it was not asked.");
  std::optional<Registration> told;
  for (const auto* type : types_to_ask(*app)) {
    const auto answer = co_await ask(app, type, transport, entropy, plain_http);
    if (!answer && !told) co_return untold(answer.error().text);
    if (!answer) break;
    if (!told || *answer == Registration::known) told = *answer;
    if (!is_refusal(*told)) break;
  }
  put_into_words(finding, *told, *app);
  co_return std::vector<Finding>{std::move(finding)};
}

}  // namespace

Registration read_answer(const net::Reply& reply, std::string_view redirect_uri) {
  const std::string location(reply.headers.value_or("Location"));
  if (reply.status >= 300 && reply.status < 400 && location.starts_with(redirect_uri)) {
    const auto rest = std::string_view(location).substr(redirect_uri.size());
    const auto query = lower(rest);
    if (rest.starts_with('?') || rest.starts_with('#')) {
      return query.contains("error=unauthorized_client") ? Registration::client_refused : Registration::known;
    }
  }
  const auto text = lower(base::as_text(reply.body));
  // An address bar may repeat the request, so a mere mention says nothing unless the answer is an error.
  const bool refused = (reply.status >= 400 && reply.status < 500) ||
                       has_any(text, {"redirect_uri_mismatch", "redirect uri mismatch"}) ||
                       lower(location).contains("redirect_uri_mismatch");
  if (!refused) return Registration::untold;
  if (has_any(text, {"invalid_client", "client is invalid", "unknown client", "unauthorized_client", "client not found",
                     "invalid client"})) {
    return Registration::client_refused;
  }
  const bool names_it = has_any(
      text, {"redirect_uri", "redirect uri", "redirect url", "redirecturi", "callback url", "reply url", "reply address"});
  return names_it || lower(location).contains("redirect_uri_mismatch") ? Registration::redirect_uri_refused
                                                                       : Registration::untold;
}

std::vector<Errand> RedirectUriCheck::errands(const Survey& survey) {
  std::vector<Errand> out;
  for (const auto& app : survey.apps) out.push_back({app.id, examine(&app, &transport_, &entropy_, plain_http_)});
  return out;
}

}  // namespace latchkey::doctor
