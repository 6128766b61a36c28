// IP addresses, networks, and the sources that throttling counts by. Pure values.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;

namespace latchkey::net {

// A value. An IPv4 address in IPv6 clothes (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2) is kept as the IPv4 address it
// is, so that equal addresses compare equal.
class IpAddress {
 public:
  // 0.0.0.0
  IpAddress() = default;
  [[nodiscard]] static IpAddress v4(std::uint32_t host_order);
  [[nodiscard]] static IpAddress v6(const std::array<std::uint8_t, 16>& octets);
  // Strict text forms: dotted quad without leading zeros, RFC 4291 section 2.2 for IPv6 (no zone, no brackets).
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
  // nullopt for families other than IPv4 and IPv6.
  [[nodiscard]] static std::optional<IpAddress> from_sockaddr(const sockaddr* address);

  [[nodiscard]] bool is_v4() const { return v4_; }
  // Big-endian, 4 or 16 octets.
  [[nodiscard]] std::span<const std::uint8_t> octets() const { return {octets_.data(), v4_ ? 4U : 16U}; }
  [[nodiscard]] std::uint32_t v4_host_order() const;
  // 127.0.0.0/8 or ::1.
  [[nodiscard]] bool is_loopback() const;
  // RFC 5952.
  [[nodiscard]] std::string text() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> octets_{};
  bool v4_ = true;
};

// A network such as 10.0.0.0/8 or fd00::/8; a lone address is a network of one. A value.
class Cidr {
 public:
  Cidr(IpAddress address, unsigned prefix_bits) : address_(address), prefix_bits_(prefix_bits) {}
  // Bits behind the prefix must be zero, and the prefix must fit the family; else nullopt.
  [[nodiscard]] static std::optional<Cidr> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Cidr&, const Cidr&) = default;

 private:
  IpAddress address_;
  unsigned prefix_bits_;
};

// Who is counted when somebody guesses (RULES T3): an IPv4 address, or the /64 an IPv6 address lies in. A value.
class SourceAddress {
 public:
  SourceAddress() = default;
  explicit SourceAddress(const IpAddress& address);
  // An address or what text() returned.
  [[nodiscard]] static std::optional<SourceAddress> parse(std::string_view text);

  // "192.0.2.7" or "2001:db8::/64".
  [[nodiscard]] std::string text() const;
  // The IPv4 address, or the first address of the /64.
  [[nodiscard]] const IpAddress& address() const { return address_; }

  friend auto operator<=>(const SourceAddress&, const SourceAddress&) = default;

 private:
  IpAddress address_;
};

struct SourceAddressHash {
  std::size_t operator()(const SourceAddress& source) const noexcept;
};

}  // namespace latchkey::net
