// A token endpoint's reply on its way to an office: the same, but for the refresh token, which becomes a blob wherever it
// stands. Pure; any thread.
#pragma once

#include <functional>
#include <span>

#include "cloud/token_exchange.h"
#include "oauth/token_reply.h"

namespace latchkey::relay {

using SealToken = std::function<Secret(const Secret& refresh_token)>;

// A reply that cannot be read has nothing replaced, but for a refresh token that can be made out in what is left of it; then
// all else may be missing from it. `unsaid`: what was sent with it and is nothing for the office, which a provider's words may repeat:
// "…" in its place (oauth::strike_out()), wherever it stands.
[[nodiscard]] cloud::ProviderReply with_blob(cloud::ProviderReply reply, oauth::ReplyShape shape, const SealToken& seal, std::span<const Secret> unsaid);

}  // namespace latchkey::relay
