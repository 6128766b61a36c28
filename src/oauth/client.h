// The client's half of OAuth 2.0 as values: addresses to send a browser to, and prepared requests. Nothing here opens a
// socket or reads a clock; whoever owns the transport sends a FormPost once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "oauth/uri.h"

namespace latchkey::oauth {

// RFC 8414 names. With private_key_jwt a builder sends the client id alone, as with `none`: the assertion, good for a minute,
// is added when the form is posted (oauth/client_assertion.h).
enum class ClientAuthentication { none, client_secret_basic, client_secret_post, private_key_jwt };
[[nodiscard]] std::string_view name_of(ClientAuthentication method);
[[nodiscard]] std::optional<ClientAuthentication> parse_client_authentication(std::string_view name);

// Empty text: the server has no such endpoint, or it is not known yet.
struct Endpoints {
  std::string issuer;
  std::string authorization;
  std::string token;
  std::string revocation;
  std::string device_authorization;
  std::string userinfo;
  friend bool operator==(const Endpoints&, const Endpoints&) = default;
};

// Borrowed: `secret` outlives the call; nullptr only with ClientAuthentication::none.
struct ClientRegistration {
  std::string client_id;
  ClientAuthentication authentication = ClientAuthentication::none;
  const Secret* secret = nullptr;
};

// A prepared POST. A value that moves. Send it once, over a fresh connection where the type is not replay-harmless,
// never following a redirect (RULES F4, A7). `authorization` is the whole header value (empty: send none).
struct FormPost {
  std::string url;
  Parameters headers;  // Content-Type and Accept
  Secret authorization;
  Secret body;
};

// --- Authorization request (RFC 6749 4.1.1, RFC 7636 4.3, OpenID Connect Core 3.1.2.1) ---

struct AuthorizationRequest {
  std::string endpoint;
  std::string client_id;
  std::string redirect_uri;
  std::vector<std::string> scopes;  // empty: no `scope` parameter
  std::string scope_separator = " ";
  std::string state;
  std::string code_challenge;  // empty: no PKCE
  std::string code_challenge_method = "S256";
  std::string nonce;           // empty: none
  std::string prompt;          // empty: none
  Parameters extra;            // appended in order; may not repeat a parameter named above
};
// Errors: misconfigured/`endpoint_not_allowed` (malformed endpoint), bug/`parameter_repeated`.
[[nodiscard]] Result<std::string> authorization_url(const AuthorizationRequest& request);

// --- PKCE (RFC 7636) ---

struct Pkce {
  Secret verifier;        // 43 characters
  std::string challenge;  // S256
};
[[nodiscard]] Pkce make_pkce(Entropy& entropy);
[[nodiscard]] std::string pkce_challenge(const Secret& verifier);

// --- Token endpoint ---

// Pointers are borrowed for the call. `extra` goes into the body, after the standard parameters.
struct CodeExchange {
  std::string endpoint;
  ClientRegistration client;
  const Secret* code = nullptr;
  std::string redirect_uri;  // empty: not sent
  const Secret* code_verifier = nullptr;
  Parameters extra;
};
[[nodiscard]] FormPost code_exchange(const CodeExchange& request);

// What some servers want repeated at refresh (a named quirk of the catalogue) is set here and absent otherwise.
struct Refresh {
  std::string endpoint;
  ClientRegistration client;
  const Secret* refresh_token = nullptr;
  std::string scope;         // empty: not sent
  std::string redirect_uri;  // empty: not sent
  const Secret* code_verifier = nullptr;
  Parameters extra;
};
[[nodiscard]] FormPost refresh(const Refresh& request);

// A form with secrets in it, built in memory that is wiped. `add` order is body order.
class FormWriter {
 public:
  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, const Secret& value);
  void add(const Parameters& parameters);
  // client_id and, with client_secret_post, client_secret; with client_secret_basic the header value instead
  // (RFC 6749 2.3.1: both halves form-encoded before Base64).
  [[nodiscard]] Secret authenticate(const ClientRegistration& client);
  [[nodiscard]] Secret take() { return std::move(body_); }

 private:
  Secret body_;
};
[[nodiscard]] FormPost form_post(std::string url, Secret authorization, Secret body);

}  // namespace latchkey::oauth
