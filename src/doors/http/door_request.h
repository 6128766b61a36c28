// What every route of the HTTP door does alike: who asks, from where, and how an error is told.
#pragma once

#include <cstdint>
#include <optional>

#include "doors/http/basic_credentials.h"
#include "net/http_types.h"
#include "people/pin_gate.h"

namespace latchkey::doors {

// For the PIN gate; `uses`: store::Use bits the route needs.
[[nodiscard]] people::Attempt attempt_of(const net::HttpRequest& request, BasicCredentials credentials, std::uint32_t uses);
// Nobody was named: told in the same words as a wrong PIN.
[[nodiscard]] Error no_credentials();

// A page of another site is behind the request (RULES G3); `public_origin` empty: every page is. The answer to it.
[[nodiscard]] std::optional<net::HttpResponse> refuse_other_sites(const net::HttpRequest& request,
                                                                  std::string_view public_origin);
// A document whose end nobody has stated (RFC 9110 section 15.5.12): silence would make an empty one of it. The answer to
// it.
[[nodiscard]] std::optional<net::HttpResponse> refuse_no_length(const net::HttpRequest& request);
// A body that is packed by a Content-Encoding. The answer to it.
[[nodiscard]] std::optional<net::HttpResponse> refuse_codings(const net::HttpRequest& request);

// The one place that translates errors to this door's protocol: an RFC 9457 problem whose code is the contract of
// api/openapi.json.
[[nodiscard]] net::HttpResponse problem_of(const Error& error, JsonObject more = {});

}  // namespace latchkey::doors
