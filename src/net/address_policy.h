// Which addresses outgoing connections may go to. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/ip_address.h"
#include "net/url.h"

namespace latchkey::net {

// Where a URL's host came from.
enum class UrlSource {
  operator_named,  // catalogue, configuration, an administrator
  reply,           // a callback, token reply or API reply: https and port 443 only (rule A7)
};

// What kind of place an address is, as far as outgoing connections care.
enum class AddressKind { global, loopback, private_network, link_local, metadata, multicast, reserved };
[[nodiscard]] std::string_view name_of(AddressKind kind);
// Looks inside v4-mapped, NAT64 (64:ff9b::/96), 6to4 (2002::/16) and Teredo (2001::/32) addresses: the worst of the
// outer and the inner address counts.
[[nodiscard]] AddressKind kind_of(const IpAddress& address);

// A value. Everything but global addresses is refused unless `outbound.allow` names it.
class AddressPolicy {
 public:
  AddressPolicy() = default;
  // Entries: host, host:port, CIDR, CIDR:port, address, [v6]:port, [v6/64]:port. Errors: invalid/`bad_outbound_allow`
  // naming the entry.
  [[nodiscard]] static Result<AddressPolicy> parse(const std::vector<std::string>& allow);

  // Before anything is resolved: scheme and port. http is allowed only where an entry names the host (or its literal
  // address), and hosts from replies must be https on port 443. Errors: misconfigured/`address_not_allowed`.
  [[nodiscard]] Result<void> check_url(const Url& url, UrlSource source) const;
  // The address really connected to, for a URL's host and port. Errors: misconfigured/`address_not_allowed`.
  [[nodiscard]] Result<void> check_address(std::string_view host, std::uint16_t port, const IpAddress& address) const;

 private:
  struct Entry {
    std::string host;  // empty: a network
    std::optional<Cidr> network;
    std::optional<std::uint16_t> port;
  };
  [[nodiscard]] bool names(std::string_view host, std::uint16_t port) const;
  std::vector<Entry> allow_;
};

}  // namespace latchkey::net
