#include "people/source_rules.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>

namespace latchkey::people {

std::optional<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const std::string address(text.substr(0, slash));
  Network out;
  unsigned family_bits = 128;
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    family_bits = 32;
    out.octets[10] = out.octets[11] = 0xff;
    std::memcpy(out.octets.data() + 12, &v4, 4);
  } else if (inet_pton(AF_INET6, address.c_str(), &v6) == 1) {
    std::memcpy(out.octets.data(), &v6, 16);
  } else {
    return std::nullopt;
  }
  if (slash == std::string_view::npos) return out;
  unsigned bits = 0;
  const auto digits = text.substr(slash + 1);
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (error != std::errc() || stop != digits.data() + digits.size() || bits > family_bits) return std::nullopt;
  out.prefix_bits = bits + (128 - family_bits);
  for (unsigned bit = out.prefix_bits; bit < 128; ++bit) {
    if ((out.octets[bit / 8] >> (7 - bit % 8) & 1) != 0) return std::nullopt;  // bits behind the prefix: a typing error
  }
  return out;
}

bool Network::contains(const Network& other) const {
  if (prefix_bits > other.prefix_bits) return false;
  const auto whole = prefix_bits / 8;
  if (!std::equal(octets.begin(), octets.begin() + whole, other.octets.begin())) return false;
  const auto rest = prefix_bits % 8;
  return rest == 0 || (octets[whole] >> (8 - rest)) == (other.octets[whole] >> (8 - rest));
}

std::string counted_source(std::string_view address) {
  const auto network = Network::parse(address);
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!network || network->prefix_bits != 128) return std::string(address);
  std::array<char, INET6_ADDRSTRLEN> text{};
  auto octets = network->octets;
  if (std::ranges::equal(kMapped, std::span(octets).first(12))) {
    return ::inet_ntop(AF_INET, octets.data() + 12, text.data(), text.size()) == nullptr ? std::string(address) : std::string(text.data());
  }
  std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
  if (::inet_ntop(AF_INET6, octets.data(), text.data(), text.size()) == nullptr) return std::string(address);
  return std::string(text.data()) + "/64";
}

Result<SourceRules> SourceRules::parse(const std::vector<std::string>& networks) {
  if (networks.size() > kMost) {
    return fail(ErrorKind::invalid, "source_malformed", "At most 64 source networks can be given.", {.field = "sources"});
  }
  SourceRules rules;
  for (const auto& text : networks) {
    const auto network = Network::parse(text);
    if (!network) {
      return fail(ErrorKind::invalid, "source_malformed",
                  fmt::format("`{}` is no address or network, such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/64.", text),
                  {.field = "sources"});
    }
    rules.networks_.push_back(*network);
  }
  return rules;
}

bool SourceRules::allow(std::string_view source) const {
  if (networks_.empty()) return true;
  const auto from = Network::parse(source);
  return from && std::ranges::any_of(networks_, [&](const Network& network) { return network.contains(*from); });
}

}  // namespace latchkey::people
