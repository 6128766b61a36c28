// Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "oauth/callback.h"
#include "oauth/client.h"
#include "oauth/uri.h"

namespace latchkey::oauth {

struct Metadata {
  Endpoints endpoints;
  IssParameter iss_parameter = IssParameter::not_advertised;
  std::vector<std::string> code_challenge_methods;
  std::vector<std::string> token_authentication_methods;  // empty in the document: client_secret_basic (RFC 8414)
  std::vector<std::string> scopes;
  std::vector<std::string> grant_types;
  std::vector<std::string> prompts;

  // The best of basic, post, none the server takes for a client with or without a secret; nullopt: none of them.
  enum class Client { confidential, public_ };
  [[nodiscard]] std::optional<ClientAuthentication> choose_authentication(Client client) const;
};

// `expected_issuer` is what the operator typed; the document's must equal it exactly (a single trailing slash may
// differ only when the document's own `issuer` is then used for all comparisons). Endpoints: https, or http on loopback
// where allowed; authorization and token endpoints are required. Errors: misconfigured/`issuer_mismatch`,
// `bad_metadata`, `endpoint_not_allowed`.
[[nodiscard]] Result<Metadata> parse_metadata(std::string_view body, std::string_view expected_issuer, PlainHttp plain_http);

// Where to look, best first: OpenID Connect (issuer + /.well-known/openid-configuration), then RFC 8414 (well-known
// between host and path), then RFC 8414's form of the OpenID name. Errors: invalid/`bad_issuer`.
[[nodiscard]] Result<std::vector<std::string>> well_known_urls(std::string_view issuer, PlainHttp plain_http);

}  // namespace latchkey::oauth
