#include "net/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>
#include <cstring>

namespace latchkey::net {

namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::optional<unsigned> parse_prefix(std::string_view text) {
  unsigned value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size() || text.empty()) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return value;
}

// Whether the bits of `octets` behind `prefix_bits` are all zero.
bool ends_in_zeros(std::span<const std::uint8_t> octets, unsigned prefix_bits) {
  for (std::size_t bit = prefix_bits; bit < octets.size() * 8; ++bit) {
    if ((octets[bit / 8] >> (7 - bit % 8)) & 1) return false;
  }
  return true;
}

}  // namespace

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress address;
  for (unsigned i = 0; i < 4; ++i) address.octets_[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return address;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& octets) {
  IpAddress address;
  if (std::memcmp(octets.data(), kMappedPrefix.data(), kMappedPrefix.size()) == 0) {
    std::memcpy(address.octets_.data(), octets.data() + 12, 4);
    return address;
  }
  address.octets_ = octets;
  address.v4_ = false;
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.empty() || text.size() >= INET6_ADDRSTRLEN || text.contains('\0')) return std::nullopt;
  const std::string copy(text);
  in_addr v4_address{};
  if (inet_pton(AF_INET, copy.c_str(), &v4_address) == 1) return v4(ntohl(v4_address.s_addr));
  std::array<std::uint8_t, 16> octets{};
  if (inet_pton(AF_INET6, copy.c_str(), octets.data()) == 1) return v6(octets);
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::from_sockaddr(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in inet{};
    std::memcpy(&inet, address, sizeof inet);
    return v4(ntohl(inet.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 inet{};
    std::memcpy(&inet, address, sizeof inet);
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), &inet.sin6_addr, octets.size());
    return v6(octets);
  }
  return std::nullopt;
}

std::uint32_t IpAddress::v4_host_order() const {
  return (std::uint32_t{octets_[0]} << 24) | (std::uint32_t{octets_[1]} << 16) | (std::uint32_t{octets_[2]} << 8) |
         std::uint32_t{octets_[3]};
}

bool IpAddress::is_loopback() const {
  if (v4_) return octets_[0] == 127;
  return ends_in_zeros({octets_.data(), 15}, 0) && octets_[15] == 1;
}

std::string IpAddress::text() const {
  if (v4_) {  // asked for with every request: inet_ntop goes by way of printf
    std::array<char, 16> quad{};
    char* end = quad.data();
    for (std::size_t i = 0; i < 4; ++i) {
      if (i > 0) *end++ = '.';
      end = std::to_chars(end, quad.data() + quad.size(), octets_[i]).ptr;
    }
    return {quad.data(), end};
  }
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(AF_INET6, octets_.data(), buffer.data(), buffer.size());
  return buffer.data();
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned bits = address->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) return Cidr(*address, bits);
  const auto prefix = parse_prefix(text.substr(slash + 1));
  if (!prefix || *prefix > bits || !ends_in_zeros(address->octets(), *prefix)) return std::nullopt;
  return Cidr(*address, *prefix);
}

bool Cidr::contains(const IpAddress& address) const {
  if (address.is_v4() != address_.is_v4()) return false;
  const auto mine = address_.octets(), theirs = address.octets();
  const unsigned whole = prefix_bits_ / 8, rest = prefix_bits_ % 8;
  if (std::memcmp(mine.data(), theirs.data(), whole) != 0) return false;
  return rest == 0 || ((mine[whole] ^ theirs[whole]) >> (8 - rest)) == 0;
}

std::string Cidr::text() const { return address_.text() + "/" + std::to_string(prefix_bits_); }

SourceAddress::SourceAddress(const IpAddress& address) : address_(address) {
  if (address.is_v4()) return;
  std::array<std::uint8_t, 16> octets{};
  std::memcpy(octets.data(), address.octets().data(), 8);
  address_ = IpAddress::v6(octets);
}

std::optional<SourceAddress> SourceAddress::parse(std::string_view text) {
  if (text.ends_with("/64")) text.remove_suffix(3);
  const auto address = IpAddress::parse(text);
  if (!address) return std::nullopt;
  return SourceAddress(*address);
}

std::string SourceAddress::text() const { return address_.is_v4() ? address_.text() : address_.text() + "/64"; }

std::size_t SourceAddressHash::operator()(const SourceAddress& source) const noexcept {
  std::uint64_t value = 0;
  const auto octets = source.address().octets();
  std::memcpy(&value, octets.data(), octets.size() == 4 ? 4 : 8);
  value *= 0x9e3779b97f4a7c15ULL;
  return static_cast<std::size_t>(value ^ (value >> 32));
}

}  // namespace latchkey::net
