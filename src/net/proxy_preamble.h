// The PROXY protocol, versions 1 and 2: what a load balancer says ahead of a connection's own octets about who is at its
// other end. Pure: octets in, a value out. Source: haproxy.org/download/2.9/doc/proxy-protocol.txt, read in November 2026.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <variant>

#include "net/ip_address.h"

namespace latchkey::net {

// Longer ones are refused: addresses and a TLV or two fit many times.
inline constexpr std::size_t kProxyPreambleBytesMax = 1024;

struct ProxyPreamble {
  std::size_t size_bytes = 0;
  // nullopt: the proxy speaks for itself (LOCAL, a health check) or does not know (UNKNOWN, a UNIX socket).
  std::optional<IpAddress> client{};
  // The client came to the proxy over TLS (version 2, PP2_TYPE_SSL).
  bool tls = false;
};
struct PreambleIncomplete {};
struct PreambleMalformed {};

// `received`: the connection's octets from the first one on.
[[nodiscard]] std::variant<ProxyPreamble, PreambleIncomplete, PreambleMalformed> parse_proxy_preamble(std::string_view received);

}  // namespace latchkey::net
