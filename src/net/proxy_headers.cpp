#include "net/proxy_headers.h"

#include <algorithm>
#include <optional>

namespace latchkey::net {

namespace {

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// Splits at `separator` outside quoted strings (RFC 9110 section 5.6.4).
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t from = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (quoted && text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (text[at] == separator && !quoted) {
      parts.push_back(trimmed(text.substr(from, at - from)));
      from = at + 1;
    }
  }
  parts.push_back(trimmed(text.substr(from)));
  return parts;
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.starts_with('"') && text.ends_with('"')) return text.substr(1, text.size() - 2);
  return text;
}

// "192.0.2.1", "192.0.2.1:4711", "[2001:db8::1]:4711", "2001:db8::1".
std::optional<IpAddress> parse_node(std::string_view text) {
  text = unquoted(trimmed(text));
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    return IpAddress::parse(text.substr(1, end - 1));
  }
  if (std::ranges::count(text, ':') == 1) text = text.substr(0, text.find(':'));
  return IpAddress::parse(text);
}

std::optional<std::string_view> parse_scheme(std::string_view text) {
  text = unquoted(trimmed(text));
  if (equal_ignoring_case(text, "https")) return "https";
  if (equal_ignoring_case(text, "http")) return "http";
  return std::nullopt;
}

struct Hop {
  std::optional<IpAddress> address;
  std::optional<std::string_view> scheme;
};

std::vector<Hop> hops_of_forwarded(const HttpHeaders& headers) {
  std::vector<Hop> hops;
  const std::string text = headers.joined("Forwarded");
  if (text.empty()) return hops;
  for (const auto element : split(text, ',')) {
    Hop hop;
    for (const auto pair : split(element, ';')) {
      const auto equals = pair.find('=');
      if (equals == std::string_view::npos) continue;
      const auto name = trimmed(pair.substr(0, equals));
      if (equal_ignoring_case(name, "for")) hop.address = parse_node(pair.substr(equals + 1));
      if (equal_ignoring_case(name, "proto")) hop.scheme = parse_scheme(pair.substr(equals + 1));
    }
    hops.push_back(hop);
  }
  return hops;
}

std::vector<Hop> hops_of_x_forwarded(const HttpHeaders& headers) {
  std::vector<Hop> hops;
  const std::string addresses = headers.joined("X-Forwarded-For");
  if (!addresses.empty()) {
    for (const auto node : split(addresses, ',')) hops.push_back({parse_node(node), std::nullopt});
  }
  const std::string schemes = headers.joined("X-Forwarded-Proto");
  if (!schemes.empty()) {
    if (hops.empty()) hops.push_back({});
    hops.back().scheme = parse_scheme(split(schemes, ',').back());
  }
  return hops;
}

std::vector<Hop> hops_of(const HttpHeaders& headers, ProxyHeader header) {
  switch (header) {
    case ProxyHeader::x_forwarded_for: return hops_of_x_forwarded(headers);
    case ProxyHeader::forwarded: return hops_of_forwarded(headers);
    case ProxyHeader::proxy_protocol: break;
  }
  return {};
}

}  // namespace

std::optional<ProxyHeader> parse_proxy_header(std::string_view text) {
  if (equal_ignoring_case(text, "x-forwarded-for")) return ProxyHeader::x_forwarded_for;
  if (equal_ignoring_case(text, "forwarded")) return ProxyHeader::forwarded;
  if (equal_ignoring_case(text, "proxy-protocol")) return ProxyHeader::proxy_protocol;
  return std::nullopt;
}

Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& entries, ProxyHeader header) {
  TrustedProxies proxies;
  proxies.header_ = header;
  for (const std::string& entry : entries) {
    const auto network = Cidr::parse(entry);
    if (!network) {
      return fail(ErrorKind::invalid, "bad_trusted_proxy",
                  "'" + entry + "' is no address or network, such as 192.0.2.7 or 10.0.0.0/8",
                  {.field = "trusted_proxies"});
    }
    proxies.networks_.push_back(*network);
  }
  return proxies;
}

bool TrustedProxies::trusts(const IpAddress& address) const {
  return std::ranges::any_of(networks_, [&](const Cidr& network) { return network.contains(address); });
}

ClientView TrustedProxies::client_of(const IpAddress& peer, std::string_view scheme,
                                     const HttpHeaders& headers) const {
  ClientView view{peer, scheme};
  if (!trusts(peer)) return view;
  const auto hops = hops_of(headers, header_);
  if (!hops.empty() && hops.back().scheme) view.scheme = *hops.back().scheme;
  for (auto hop = hops.rbegin(); hop != hops.rend() && hop->address; ++hop) {
    view.address = *hop->address;
    if (!trusts(view.address)) break;
  }
  return view;
}

}  // namespace latchkey::net
