// Who the client is when a reverse proxy stands before the server (rule T3). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http_headers.h"
#include "net/ip_address.h"

namespace latchkey::net {

struct ClientView {
  IpAddress address;
  // "http" or "https": static text.
  std::string_view scheme;
};

// How the trusted proxies say who the client is. Never two ways: a proxy writes one and passes the others on as the client
// sent them.
enum class ProxyHeader {
  x_forwarded_for,  // with X-Forwarded-Proto
  forwarded,        // RFC 7239
  proxy_protocol,   // a preamble before the connection's own octets (net/proxy_preamble.h); no header counts
};
// "x-forwarded-for", "forwarded" or "proxy-protocol"; nullopt: none of them.
[[nodiscard]] std::optional<ProxyHeader> parse_proxy_header(std::string_view text);

// A value: the networks of `trusted_proxies`, and what they write.
class TrustedProxies {
 public:
  TrustedProxies() = default;
  // Each entry an address or CIDR. Errors: invalid/`bad_trusted_proxy` naming the entry.
  [[nodiscard]] static Result<TrustedProxies> parse(const std::vector<std::string>& entries,
                                                    ProxyHeader header = ProxyHeader::x_forwarded_for);

  [[nodiscard]] bool trusts(const IpAddress& address) const;
  [[nodiscard]] bool empty() const { return networks_.empty(); }

  // A connection of `peer` begins with a preamble.
  [[nodiscard]] bool expects_preamble(const IpAddress& peer) const {
    return header_ == ProxyHeader::proxy_protocol && trusts(peer);
  }

  // What the client is, seen from a connection of `peer` whose own scheme is `scheme`. Only the configured header is read,
  // and only if the peer is trusted: from the right, the first address that is not itself a trusted proxy is the client;
  // an entry that is no address ends the search at the hop before it. The scheme is the one the nearest proxy states.
  [[nodiscard]] ClientView client_of(const IpAddress& peer, std::string_view scheme, const HttpHeaders& headers) const;

 private:
  std::vector<Cidr> networks_;
  ProxyHeader header_ = ProxyHeader::x_forwarded_for;
};

}  // namespace latchkey::net
