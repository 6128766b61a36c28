// Who the client is when a reverse proxy stands before the server (rule T3). Pure.
#pragma once

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

// A value: the networks of `trusted_proxies`.
class TrustedProxies {
 public:
  TrustedProxies() = default;
  // Each entry an address or CIDR. Errors: invalid/`bad_trusted_proxy` naming the entry.
  [[nodiscard]] static Result<TrustedProxies> parse(const std::vector<std::string>& entries);

  [[nodiscard]] bool trusts(const IpAddress& address) const;
  [[nodiscard]] bool empty() const { return networks_.empty(); }

  // What the client is, seen from a connection of `peer` whose own scheme is `scheme`. Forwarded (RFC 7239) is read if
  // present, else X-Forwarded-For with X-Forwarded-Proto, and only if the peer is trusted: from the right, the first
  // address that is not itself a trusted proxy is the client; an entry that is no address ends the search at the hop
  // before it. The scheme is the one the nearest proxy states.
  [[nodiscard]] ClientView client_of(const IpAddress& peer, std::string_view scheme, const HttpHeaders& headers) const;

 private:
  std::vector<Cidr> networks_;
};

}  // namespace latchkey::net
