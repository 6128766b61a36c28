// Giving a token back (RFC 7009), and the one other shape in use.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oauth/client.h"

namespace latchkey::oauth {

enum class RevocationShape {
  form,    // RFC 7009: the token in a form, with client authentication
  bearer,  // an empty POST carrying the access token as Bearer; the server kills its siblings too
};
enum class TokenHint { refresh_token, access_token };
[[nodiscard]] std::string_view name_of(TokenHint hint);

// With `bearer` the token must be an access token. Pointers are borrowed for the call.
struct Revocation {
  std::string endpoint;
  ClientRegistration client;
  RevocationShape shape = RevocationShape::form;
  const Secret* token = nullptr;
  TokenHint hint = TokenHint::refresh_token;
  Parameters extra;
};
[[nodiscard]] FormPost revocation(const Revocation& request);

enum class RevocationOutcome { revoked, unsupported, misconfigured_app, transient };
// RFC 7009 2.2: 200 means revoked, also for a token the server did not know.
[[nodiscard]] RevocationOutcome classify_revocation(int status, std::string_view body);

}  // namespace latchkey::oauth
