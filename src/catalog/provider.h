// What a provider file says, as values. docs/providers.md explains every member to whoever writes such a file.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oauth/client.h"
#include "oauth/outcome.h"
#include "oauth/revocation.h"
#include "oauth/uri.h"

namespace latchkey::catalog {

using std::chrono::seconds;

// --- Parameters ---

enum class ParameterKind { text, choice, url, host };
[[nodiscard]] std::string_view name_of(ParameterKind kind);  // text, enum, url, host

// Who fills it in. Only `app` parameters may stand in the host of an endpoint that gets the app's secret (RULES K6): the
// schema check refuses a file that does otherwise.
enum class ParameterOwner { app, grant };

struct ParameterOption {
  std::string value;
  std::string label;
};
struct CompiledPattern;  // of file_check.cpp
struct Parameter {
  std::string name;
  std::string label;
  ParameterKind kind = ParameterKind::text;
  ParameterOwner owner = ParameterOwner::grant;
  bool required = false;
  std::string default_value;
  std::vector<ParameterOption> options;  // kind `choice`
  std::vector<std::string> personal_values;  // what stands for private accounts alone, behind which is no organization
  std::string hint;                      // one sentence: where to find it, with an example
  std::string pattern;                   // ECMAScript, whole value; empty: none
  std::shared_ptr<const CompiledPattern> compiled;  // of `pattern`, made once when the file is read
  std::vector<std::string> host_suffixes;  // kinds url, host: whole-label suffixes; empty: any
};

// Values that are known only once the provider has answered: a variable of templates, kept with the grant.
enum class LearnedFrom { callback, reply, reply_url };
struct Learned {
  std::string name;    // of the variable, and of the callback parameter or reply member
  LearnedFrom from = LearnedFrom::reply;
  oauth::VariableKind kind = oauth::VariableKind::text;
};

// --- Quirks: a closed list; each has one meaning and one implementation ---

enum class Quirk {
  refresh_repeats_redirect_uri,   // the refresh request carries the redirect_uri of the authorization
  refresh_repeats_code_verifier,  // ... and the code_verifier, which is therefore kept with the grant
  refresh_repeats_scope,          // the refresh request names the scopes, so that the token is for this type's resource
  early_refresh_refused,          // [seconds]: a refresh is refused while the token has longer than that to live
  refresh_kills_access,           // the old access token dies with the refresh: uploads in flight are waited for
  instance_url_in_reply,          // the reply names the base address of every API call
  host_in_callback,               // the callback names the hosts of token endpoint and API
  errors_as_array,                // an error reply is an array of {errorCode, message}
  expires_in_as_text,             // lifetimes come as JSON strings
  expires_in_absent,              // no lifetime is sent: the type's own or one hour counts
  challenge_method_lower_case,    // code_challenge_method=s256
  no_redirect_on_refusal,         // a refusal never comes back: the attempt ends by expiry
  refusal_as_invalid_request,     // a spent refresh token is answered by invalid_request
  oldest_grant_evicted,           // [count]: one more live grant of the same account and app kills the oldest silently
  scope_ticked_by_owner,          // the owner may untick scopes at consent: granted ones are compared
};
[[nodiscard]] std::string_view name_of(Quirk quirk);
[[nodiscard]] std::optional<Quirk> parse_quirk(std::string_view name);
// One sentence for the console and the docs.
[[nodiscard]] std::string_view meaning_of(Quirk quirk);

struct QuirkUse {
  Quirk quirk;
  std::int64_t value = 0;  // where the quirk has one
};

// --- Parts of a provider ---

// How a reply's expiry of the refresh token moves.
enum class Rotation { none, rolling, single_use, unknown };
[[nodiscard]] std::string_view name_of(Rotation rotation);

// RULES F1. `unknown` in a file counts as revokes_family.
enum class ReplayPolicy { harmless, grace, refused, revokes_family };
[[nodiscard]] std::string_view name_of(ReplayPolicy policy);

enum class RevocationToken { refresh_token, access_token };

// Where the account behind a grant is named.
enum class AccountSource { request, id_token, access_token, reply };
struct AccountLookup {
  AccountSource source = AccountSource::request;
  std::string method = "GET";
  std::string url;                    // template; `request` only; empty: the metadata's userinfo endpoint
  oauth::Parameters headers;          // template values
  std::string body;                   // sent with POST, as application/json when not empty
  std::vector<std::string> id_paths;  // joined with `/`: the stable identity
  std::vector<std::string> name_paths;  // the first that is there
  std::string needs_scope;            // empty: none
};

struct ExtraParameters {  // values are templates; a pair whose value comes out empty is left out
  oauth::Parameters authorize;
  oauth::Parameters token;
  oauth::Parameters refresh;
  oauth::Parameters revocation;
  oauth::Parameters device;
};

struct RedirectRules {
  bool https_required = true;
  std::optional<bool> http_localhost;  // nullopt: unknown
  std::string note;                    // what to mind when registering, in words
};

// Words for an error code of the authorize page, callback or token endpoint.
struct ErrorText {
  std::string code;
  std::string sentence;
  std::string next_step;
  std::string url;
};

struct Step {
  std::string text;
  std::string url;  // empty: none
};

struct Scope {
  std::string value;  // may hold parameters
  std::string why;    // what for, in words
};

struct RateCap {  // requests to the token endpoint, over all grants of one app
  std::int64_t requests = 0;
  seconds per{60};
};

// --- Provider and type. Values; shared read-only between threads once loaded. ---

struct Provider {
  std::string id;
  std::string name;
  std::vector<Parameter> parameters;  // of the app (owner app), and those all types share (owner grant)
  std::vector<Learned> learned;
  std::vector<std::string> host_suffixes;  // what learned hosts must lie under (RULES A7)
  oauth::Endpoints endpoints;              // templates; `issuer` may keep {variables} that match any one segment
  std::string discovery;                   // template of the metadata address; empty: none
  bool discovery_fills_endpoints = false;  // the endpoints are taken from metadata
  bool iss_advertised = false;             // RFC 9207, known without metadata
  std::vector<oauth::ClientAuthentication> authentications;  // preferred first
  bool pkce = true;
  ExtraParameters extra;
  std::string scope_separator = " ";
  RedirectRules redirect;
  std::optional<seconds> code_lifetime;
  oauth::RevocationShape revocation_shape = oauth::RevocationShape::form;
  RevocationToken revocation_token = RevocationToken::refresh_token;
  AccountLookup account;
  std::vector<oauth::ErrorRule> errors;
  std::vector<ErrorText> error_texts;
  std::vector<Step> steps;
  std::vector<QuirkUse> quirks;
  std::optional<RateCap> rate_cap;
  std::vector<std::string> unverified;  // facts nobody has confirmed, in words
  std::string seen_on;                  // YYYY-MM-DD: when the vendor's documents were read
  std::string file;                     // where it was loaded from
};

struct Type {
  std::string id;
  std::string provider;
  std::string name;
  std::string kind;  // storage, mail, mail_smtp, crm, erp, legal_dms, property, advice, generic, practice, practice_mail
  std::vector<Parameter> parameters;  // in addition to the provider's
  std::vector<Scope> request;
  std::vector<Scope> identity;
  std::vector<Scope> refresh;
  std::vector<Scope> optional;  // offered to the operator, not asked for
  std::string resource;         // what the access token is for; template
  Rotation rotation = Rotation::unknown;
  ReplayPolicy replay = ReplayPolicy::revokes_family;
  seconds grace{0};                        // with ReplayPolicy::grace
  std::optional<seconds> access_lifetime;  // as documented; the reply's own wins
  std::optional<seconds> idle_lifetime;    // the refresh token dies unused
  std::optional<seconds> absolute_lifetime;
  std::optional<seconds> polling_time;     // instead of oauth.polling_time
  std::map<std::string, std::string> values;  // fixed values of provider parameters (a tenant of `consumers`)
  std::optional<AccountLookup> account;       // instead of the provider's
  std::vector<oauth::ErrorRule> errors;       // before the provider's
  std::vector<std::string> unverified;
};

[[nodiscard]] std::optional<QuirkUse> find_quirk(const Provider& provider, Quirk quirk);
// With a secret the preferred method that uses one; without, `none` where the provider takes public clients; nullopt: a
// secret is needed.
[[nodiscard]] std::optional<oauth::ClientAuthentication> authentication_for(const Provider& provider, bool has_secret);
// "expires_in": how the words of an unknown error come out: the file's own text, else a general one. Never empty.
[[nodiscard]] ErrorText error_text(const Provider& provider, std::string_view code);

}  // namespace latchkey::catalog
