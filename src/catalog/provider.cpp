#include "catalog/provider.h"

#include <algorithm>
#include <array>

namespace latchkey::catalog {
namespace {

struct QuirkEntry {
  Quirk quirk;
  std::string_view name;
  std::string_view meaning;
};

constexpr QuirkEntry kQuirks[] = {
    {Quirk::refresh_repeats_redirect_uri, "refresh_repeats_redirect_uri",
     "A refresh must repeat the redirect address of the authorization."},
    {Quirk::refresh_repeats_code_verifier, "refresh_repeats_code_verifier",
     "A refresh must repeat the code verifier of the authorization, which is therefore kept, sealed."},
    {Quirk::refresh_repeats_scope, "refresh_repeats_scope",
     "A refresh names the scopes, because one refresh token serves several resources."},
    {Quirk::early_refresh_refused, "early_refresh_refused",
     "A refresh is refused while the access token has longer to live than the seconds given."},
    {Quirk::refresh_kills_access, "refresh_kills_access",
     "The old access token dies with the refresh: uploads in flight are waited for."},
    {Quirk::instance_url_in_reply, "instance_url_in_reply",
     "The token reply names the address that every later call goes to."},
    {Quirk::host_in_callback, "host_in_callback",
     "The answer to the browser names the hosts of token endpoint and API; only listed domains are believed."},
    {Quirk::errors_as_array, "errors_as_array", "Errors come as an array of objects with errorCode and message."},
    {Quirk::expires_in_as_text, "expires_in_as_text", "The lifetime comes as a JSON string."},
    {Quirk::expires_in_absent, "expires_in_absent", "No lifetime is sent; one hour is assumed unless the type knows better."},
    {Quirk::challenge_method_lower_case, "challenge_method_lower_case",
     "The authorization request says code_challenge_method=s256 in small letters."},
    {Quirk::no_redirect_on_refusal, "no_redirect_on_refusal",
     "Whoever refuses consent stays on the provider's page: the attempt ends when it expires."},
    {Quirk::refusal_as_invalid_request, "refusal_as_invalid_request",
     "A spent or unknown refresh token is answered by invalid_request."},
    {Quirk::oldest_grant_evicted, "oldest_grant_evicted",
     "More live authorizations of one account and app than the number given end the oldest without notice."},
    {Quirk::scope_ticked_by_owner, "scope_ticked_by_owner",
     "The owner may untick single permissions at consent; what was granted is compared."},
};

}  // namespace

std::string_view name_of(ParameterKind kind) {
  switch (kind) {
    case ParameterKind::text: return "text";
    case ParameterKind::choice: return "enum";
    case ParameterKind::url: return "url";
    case ParameterKind::host: return "host";
  }
  LATCHKEY_CHECK(false);
}

std::string_view name_of(Quirk quirk) {
  for (const auto& entry : kQuirks) {
    if (entry.quirk == quirk) return entry.name;
  }
  LATCHKEY_CHECK(false);
}

std::optional<Quirk> parse_quirk(std::string_view name) {
  for (const auto& entry : kQuirks) {
    if (entry.name == name) return entry.quirk;
  }
  return std::nullopt;
}

std::string_view meaning_of(Quirk quirk) {
  for (const auto& entry : kQuirks) {
    if (entry.quirk == quirk) return entry.meaning;
  }
  LATCHKEY_CHECK(false);
}

std::string_view name_of(Rotation rotation) {
  switch (rotation) {
    case Rotation::none: return "none";
    case Rotation::rolling: return "rolling";
    case Rotation::single_use: return "single_use";
    case Rotation::unknown: return "unknown";
  }
  LATCHKEY_CHECK(false);
}

std::string_view name_of(ReplayPolicy policy) {
  switch (policy) {
    case ReplayPolicy::harmless: return "harmless";
    case ReplayPolicy::grace: return "grace";
    case ReplayPolicy::refused: return "refused";
    case ReplayPolicy::revokes_family: return "revokes_family";
  }
  LATCHKEY_CHECK(false);
}

std::optional<QuirkUse> find_quirk(const Provider& provider, Quirk quirk) {
  const auto found = std::find_if(provider.quirks.begin(), provider.quirks.end(),
                                  [&](const QuirkUse& use) { return use.quirk == quirk; });
  if (found == provider.quirks.end()) return std::nullopt;
  return *found;
}

std::optional<oauth::ClientAuthentication> authentication_for(const Provider& provider, bool has_secret) {
  using oauth::ClientAuthentication;
  for (const auto method : provider.authentications) {
    const bool uses_secret = method == ClientAuthentication::client_secret_basic || method == ClientAuthentication::client_secret_post;
    if (has_secret ? uses_secret : method == ClientAuthentication::none) return method;
  }
  return std::nullopt;
}

ErrorText error_text(const Provider& provider, std::string_view code) {
  for (const auto& text : provider.error_texts) {
    if (text.code == code) return text;
  }
  constexpr std::array<std::array<std::string_view, 3>, 10> kGeneral{{
      {"access_denied", "Consent was refused or cancelled on the provider's page.",
       "Press Authorize again and agree, or ask the administrator of the provider's side whether consent is allowed."},
      {"consent_required", "The provider wants consent again.", "Authorize again."},
      {"interaction_required", "The provider wants the owner to sign in again.", "Authorize again."},
      {"login_required", "The provider wants the owner to sign in again.", "Authorize again."},
      {"invalid_scope", "The provider does not know or allow one of the permissions asked for.",
       "Tick the permissions named in the app's registration steps, then authorize again."},
      {"unauthorized_client", "The app's registration does not allow this kind of authorization.",
       "Follow the registration steps of the app under OAuth settings."},
      {"invalid_client", "The provider does not accept the app's client id or secret.",
       "Enter client id and secret again under OAuth settings; a secret may have expired."},
      {"invalid_grant", "The provider does not accept the code or refresh token (invalid_grant): it is spent, withdrawn or of another app.",
       "Authorise again; for an import, take a fresh token."},
      {"server_error", "The provider has trouble of its own.", "Try again in a few minutes."},
      {"temporarily_unavailable", "The provider is overloaded.", "Try again in a few minutes."},
  }};
  for (const auto& [name, sentence, next_step] : kGeneral) {
    if (name == code) return {std::string(code), std::string(sentence), std::string(next_step), {}};
  }
  const bool plain = !code.empty() && code.size() <= 100 && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
  std::string sentence = "The provider refused the authorization";
  if (plain) sentence += " (" + std::string(code) + ")";
  return {std::string(code), sentence + ".", "Try again; if it stays, compare the app's registration with its steps.", {}};
}

}  // namespace latchkey::catalog
