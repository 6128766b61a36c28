// The oldest TLS that a connection may speak.
#pragma once

namespace latchkey::net {

enum class TlsFloor {
  tls_1_2,
  // TLS 1.0 and its ciphers, for devices that know nothing newer. What goes over it counts as sent in clear (RULES T7).
  tls_1_0,
};

}  // namespace latchkey::net
