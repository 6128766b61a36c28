// Whether an office has the DNS name it sends browsers back to: asked at that very address, over https, under the outbound
// address policy (RULES S1, A7).
#pragma once

#include <string>
#include <string_view>

#include "base/task.h"
#include "net/http_client.h"
#include "relay/enrolments.h"

namespace latchkey::relay {

// The name people may be shown for one of the office's return origins: office.example, or office.example:8443 where the port
// is not that of https. Errors: invalid/`name_unverifiable` (not https, or an address instead of a name).
[[nodiscard]] Result<std::string> name_of_origin(std::string_view origin);

// Fetches cloud::kOfficeNamePath there; no redirect is followed. Gives the name. Errors: those of name_of_origin;
// unavailable/`name_unreachable`; refused/`name_not_proven`, when what is there is not this office's.
[[nodiscard]] Task<Result<std::string>> verify_office_name(net::HttpTransport& transport, Enrolment office,
                                                           std::string origin);

}  // namespace latchkey::relay
