// Whether a message says of itself that it was sent on for somebody else.
#pragma once

#include "net/http_headers.h"

namespace latchkey::net {

// True where it bears a field that proxies write: X-Forwarded-*, Forwarded (RFC 7239), X-Real-IP, Via (RFC 9110, 7.6.3). From a
// peer that is no trusted proxy it proves one thing: who asks is not at the other end of this connection.
[[nodiscard]] bool is_sent_on(const HttpHeaders& headers);

}  // namespace latchkey::net
