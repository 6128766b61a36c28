#include "net/address_policy.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "net/http_headers.h"

namespace latchkey::net {

namespace {

struct KnownNetwork {
  std::string_view cidr;
  AddressKind kind;
};

// The IANA special-purpose registries (RFC 6890 and successors), read 2026-11, the worst first; what is not listed is
// global.
constexpr std::array kKnownNetworks{
    KnownNetwork{"169.254.169.254/32", AddressKind::metadata},
    KnownNetwork{"169.254.170.2/32", AddressKind::metadata},
    KnownNetwork{"100.100.100.200/32", AddressKind::metadata},
    KnownNetwork{"fd00:ec2::254/128", AddressKind::metadata},
    KnownNetwork{"127.0.0.0/8", AddressKind::loopback},
    KnownNetwork{"::1/128", AddressKind::loopback},
    KnownNetwork{"0.0.0.0/8", AddressKind::reserved},
    KnownNetwork{"::/128", AddressKind::reserved},
    KnownNetwork{"10.0.0.0/8", AddressKind::private_network},
    KnownNetwork{"172.16.0.0/12", AddressKind::private_network},
    KnownNetwork{"192.168.0.0/16", AddressKind::private_network},
    KnownNetwork{"100.64.0.0/10", AddressKind::private_network},
    KnownNetwork{"fc00::/7", AddressKind::private_network},
    KnownNetwork{"fec0::/10", AddressKind::private_network},
    KnownNetwork{"169.254.0.0/16", AddressKind::link_local},
    KnownNetwork{"fe80::/10", AddressKind::link_local},
    KnownNetwork{"224.0.0.0/4", AddressKind::multicast},
    KnownNetwork{"ff00::/8", AddressKind::multicast},
    KnownNetwork{"192.0.0.0/24", AddressKind::reserved},
    KnownNetwork{"192.0.2.0/24", AddressKind::reserved},
    KnownNetwork{"192.88.99.0/24", AddressKind::reserved},
    KnownNetwork{"198.18.0.0/15", AddressKind::reserved},
    KnownNetwork{"198.51.100.0/24", AddressKind::reserved},
    KnownNetwork{"203.0.113.0/24", AddressKind::reserved},
    KnownNetwork{"240.0.0.0/4", AddressKind::reserved},
    KnownNetwork{"64:ff9b:1::/48", AddressKind::private_network},
    KnownNetwork{"100::/64", AddressKind::reserved},
    KnownNetwork{"2001:db8::/32", AddressKind::reserved},
    KnownNetwork{"3fff::/20", AddressKind::reserved},
    KnownNetwork{"5f00::/16", AddressKind::reserved},
};

AddressKind listed_kind(const IpAddress& address) {
  for (const auto& known : kKnownNetworks) {
    const auto network = Cidr::parse(known.cidr);
    if (network && network->contains(address)) return known.kind;
  }
  return AddressKind::global;
}

std::uint32_t word_at(std::span<const std::uint8_t> octets, std::size_t at) {
  return (std::uint32_t{octets[at]} << 24) | (std::uint32_t{octets[at + 1]} << 16) |
         (std::uint32_t{octets[at + 2]} << 8) | std::uint32_t{octets[at + 3]};
}

// The IPv4 address that a translation or tunnel address leads to.
std::optional<IpAddress> inner_address(const IpAddress& address) {
  if (address.is_v4()) return std::nullopt;
  const auto octets = address.octets();
  const std::uint32_t first = word_at(octets, 0);
  const bool zeros_to_12 = std::ranges::all_of(octets.subspan(0, 12), [](std::uint8_t octet) { return octet == 0; });
  // IPv4-compatible, RFC 4291 section 2.5.5.1; ::1 and :: are listed themselves.
  if (zeros_to_12 && word_at(octets, 12) > 1) return IpAddress::v4(word_at(octets, 12));
  const bool zeros_4_to_12 = std::ranges::all_of(octets.subspan(4, 8), [](std::uint8_t octet) { return octet == 0; });
  if (first == 0x0064ff9b && zeros_4_to_12) return IpAddress::v4(word_at(octets, 12));  // NAT64, RFC 6052
  if (first >> 16 == 0x2002) return IpAddress::v4(word_at(octets, 2));                  // 6to4, RFC 3056
  if (first == 0x20010000) return IpAddress::v4(~word_at(octets, 12));                  // Teredo, RFC 4380
  return std::nullopt;
}

std::string_view without_brackets(std::string_view host) {
  if (host.size() >= 2 && host.starts_with('[') && host.ends_with(']')) return host.substr(1, host.size() - 2);
  return host;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || stop != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

bool is_host_name(std::string_view host) {
  return !host.empty() && host.size() <= 253 && !host.starts_with('.') && !host.starts_with('-') &&
         std::ranges::all_of(host, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_';
         });
}

}  // namespace

std::string_view name_of(AddressKind kind) {
  switch (kind) {
    case AddressKind::global: return "global";
    case AddressKind::loopback: return "loopback";
    case AddressKind::private_network: return "private";
    case AddressKind::link_local: return "link-local";
    case AddressKind::metadata: return "cloud metadata";
    case AddressKind::multicast: return "multicast";
    case AddressKind::reserved: return "reserved";
  }
  return "unknown";
}

AddressKind kind_of(const IpAddress& address) {
  if (const auto kind = listed_kind(address); kind != AddressKind::global) return kind;
  const auto inner = inner_address(address);
  return inner ? listed_kind(*inner) : AddressKind::global;
}

Result<AddressPolicy> AddressPolicy::parse(const std::vector<std::string>& allow) {
  AddressPolicy policy;
  for (const std::string& text : allow) {
    const auto bad = [&text] {
      return fail(ErrorKind::invalid, "bad_outbound_allow",
                  "'" + text + "' is no host, host:port, network or network:port, such as id.office.example:443 or 10.0.0.0/8",
                  {.field = "outbound.allow"});
    };
    std::string_view host = text;
    Entry entry;
    const bool bracketed = host.starts_with('[');
    const auto colon = host.rfind(':');
    const bool bare_v6 = !bracketed && std::ranges::count(host, ':') > 1;
    if (bracketed ? host.contains("]:") : (colon != std::string_view::npos && !bare_v6)) {
      entry.port = parse_port(host.substr(colon + 1));
      if (!entry.port) return bad();
      host = host.substr(0, colon);
    }
    host = without_brackets(host);
    entry.network = Cidr::parse(host);
    if (!entry.network) {
      if (!is_host_name(host)) return bad();
      entry.host = host;
    }
    policy.allow_.push_back(std::move(entry));
  }
  return policy;
}

bool AddressPolicy::names(std::string_view host, std::uint16_t port) const {
  const auto literal = IpAddress::parse(without_brackets(host));
  return std::ranges::any_of(allow_, [&](const Entry& entry) {
    if (entry.port && *entry.port != port) return false;
    if (entry.network) return literal && entry.network->contains(*literal);
    return equal_ignoring_case(entry.host, host);
  });
}

Result<void> AddressPolicy::check_url(const Url& url, UrlSource source) const {
  const auto refused = [](std::string text) {
    return fail(ErrorKind::misconfigured, "address_not_allowed", std::move(text));
  };
  const std::string where = url.host() + ":" + std::to_string(url.port());
  if (source == UrlSource::reply && (!url.is_https() || url.port() != 443)) {
    return refused("A reply pointed to " + url.origin() + ", but only https on port 443 is followed there.");
  }
  if (!url.is_https() && !names(url.host(), url.port())) {
    return refused("Latchkey speaks plain http to no one: use https, or name " + where + " in outbound.allow.");
  }
  const auto literal = IpAddress::parse(without_brackets(url.host()));
  if (literal) return check_address(url.host(), url.port(), *literal);
  return {};
}

Result<void> AddressPolicy::check_address(std::string_view host, std::uint16_t port, const IpAddress& address) const {
  const auto kind = kind_of(address);
  if (kind == AddressKind::global || names(host, port)) return {};
  const bool network_named = std::ranges::any_of(allow_, [&](const Entry& entry) {
    return entry.network && (!entry.port || *entry.port == port) && entry.network->contains(address);
  });
  if (network_named) return {};
  return fail(ErrorKind::misconfigured, "address_not_allowed",
              std::string(host) + " is at " + address.text() + ", a " + std::string(name_of(kind)) +
                  " address. If that is meant, name " + std::string(host) + ":" + std::to_string(port) +
                  " in outbound.allow.");
}

}  // namespace latchkey::net
