// The apps that a relay has registered at providers.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "cloud/service.h"
#include "cloud/token_exchange.h"
#include "crypto/signing_key.h"
#include "oauth/client.h"
#include "oauth/token_reply.h"
#include "oauth/uri.h"
#include "relay/authorization_address.h"

namespace latchkey::relay {

using cloud::Mode;

struct Registration {
  ExpectedAuthorization expected;
  std::string type_name;  // for people
  Mode mode = Mode::forward;
};

// The same at the token endpoint. A value; the secret and the key are shared and never change.
struct TokenSide {
  Mode mode = Mode::forward;
  std::string provider;  // its id
  std::string endpoint;  // in forward mode empty where the provider's metadata says it
  std::string client_id;
  std::string redirect_uri;
  oauth::ClientAuthentication authentication = oauth::ClientAuthentication::none;
  std::shared_ptr<const Secret> secret;           // exchange mode
  std::shared_ptr<const Secret> second_secret{};  // tried when the provider refuses the first; mostly nullptr
  std::shared_ptr<const crypto::SigningKey> key;  // assertion mode
  std::string key_id;                             // of the key at the provider; may be empty
  bool pkce = true;  // a code is worth nothing without its verifier
  std::vector<std::string> scopes;
  std::string scope_separator = " ";
  oauth::Parameters code_extra;     // name and value of what the type adds to a code exchange
  oauth::Parameters refresh_extra;  // ... to a refresh
  oauth::ReplyShape reply_shape;
  std::string revocation_endpoint{};  // RFC 7009; empty: not known
  oauth::Parameters revocation_extra{};
};

// Any thread.
class Registrations {
 public:
  virtual ~Registrations() = default;
  // What `app` makes of a type with these parameters. Errors: not_found/`app_unknown`; invalid/`type_unknown`; those of the
  // parameters.
  [[nodiscard]] virtual Result<Registration> find(std::string_view app, std::string_view type,
                                                  const oauth::Parameters& params) const = 0;
};

// Any thread.
class TokenSides {
 public:
  virtual ~TokenSides() = default;
  // Errors: as Registrations::find(); besides: refused/`host_not_allowed` for what was learned;
  // invalid/`token_endpoint_unknown` in the modes that need one, while something is to be learned yet.
  [[nodiscard]] virtual Result<TokenSide> token_side(const cloud::ServiceTarget& target) const = 0;
};

}  // namespace latchkey::relay
