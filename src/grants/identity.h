// Who is behind a token: the account as the provider names it.
#pragma once

#include "base/result.h"
#include "base/task.h"
#include "catalog/account.h"
#include "grants/provider_client.h"
#include "net/http_client.h"
#include "oauth/token_reply.h"

namespace latchkey::grants {

// Reads the account from where the type's AccountLookup says: id_token, access token, reply, or a call with the token.
// nullopt: the provider names nobody, or could not be asked. Errors: refused/`id_token_rejected` when an id_token is not
// for this client or not for this flow (OpenID Connect Core 3.1.3.7; its signature is not needed: it came over TLS from
// the token endpoint); refused/`provider_refused_token` when the identity call was answered 401 or 403.
[[nodiscard]] Task<Result<std::optional<catalog::Account>>> find_account(net::HttpTransport& transport, const ProviderClient& client,
                                                                         const oauth::TokenReply& reply, const Secret& nonce);

// The same without a look at the id_token: whose tokens these are, also of those that are not wanted.
[[nodiscard]] Task<Result<std::optional<catalog::Account>>> account_behind(net::HttpTransport& transport, const ProviderClient& client,
                                                                           const oauth::TokenReply& reply);

// The identity call alone. `id_claims` (borrowed until the task ends; nullptr: none) may lend a name to an account whose API
// shows only ids.
[[nodiscard]] Task<Result<std::optional<catalog::Account>>> ask_account(net::HttpTransport& transport, const ProviderClient& client,
                                                                        Secret access_token, const JsonObject* id_claims = nullptr);

}  // namespace latchkey::grants
