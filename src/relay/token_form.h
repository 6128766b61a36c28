// From the form an office has made to the request the relay sends: let through only if it is the one the relay would have
// made itself (RULES S4), and then with the client's secret and the refresh token itself. Pure; any thread.
#pragma once

#include "oauth/client.h"
#include "relay/refresh_blobs.h"
#include "relay/registrations.h"

namespace latchkey::relay {

// A code or a refresh token for the side's own client, back from its own redirect URI, with what the type adds and nothing
// else. Errors: refused/`token_request_refused` with what is wrong in `detail`; those of RefreshBlobs::open().
[[nodiscard]] Result<oauth::FormPost> token_post(const Secret& form, const TokenSide& side, const RefreshBlobs& blobs,
                                                 const BlobPlace& place);

// Whether the form brings a code: somebody waits for what it is exchanged for, and it lives for half a minute at some providers.
[[nodiscard]] bool brings_code(const Secret& form);

// The same for a revocation (RFC 7009): a refresh token of that place's, with what the type adds. Errors: likewise.
[[nodiscard]] Result<oauth::FormPost> revocation_post(const Secret& form, const TokenSide& side, const RefreshBlobs& blobs,
                                                      const BlobPlace& place);

// What such a post bears that is nothing for the office: the client's secrets, and the refresh token that the office has as a blob.
[[nodiscard]] std::vector<Secret> unsaid_of(const oauth::FormPost& post, const TokenSide& side);

}  // namespace latchkey::relay
