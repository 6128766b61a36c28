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

// Which fields the trusted proxies write. Never both: a proxy sets one and passes the other on as the client sent it.
enum class ProxyHeader {
  x_forwarded_for,  // with X-Forwarded-Proto
  forwarded,        // RFC 7239
};
// "x-forwarded-for" or "forwarded"; nullopt: neither.
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

  // What the client is, seen from a connection of `peer` whose own scheme is `scheme`. Only the configured header is read,
  // and only if the peer is trusted: from the right, the first address that is not itself a trusted proxy is the client;
  // an entry that is no address ends the search at the hop before it. The scheme is the one the nearest proxy states.
  [[nodiscard]] ClientView client_of(const IpAddress& peer, std::string_view scheme, const HttpHeaders& headers) const;

 private:
  std::vector<Cidr> networks_;
  ProxyHeader header_ = ProxyHeader::x_forwarded_for;
};

}  // namespace latchkey::net
