// From where a user may come (RULES T2, T3): a short list of networks. Pure values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace latchkey::people {

// An address or network, as text `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/64`. IPv4 in IPv6 clothes is the IPv4 address.
struct Network {
  std::array<std::uint8_t, 16> octets{};  // IPv4 as ::ffff:a.b.c.d
  unsigned prefix_bits = 128;             // of the 128
  [[nodiscard]] static std::optional<Network> parse(std::string_view text);
  // Whether the whole of `other` lies within.
  [[nodiscard]] bool contains(const Network& other) const;
};

// Who is counted (RULES T3) when somebody comes from `address`: an IPv4 address, the /64 of an IPv6 one. What is no address
// (the control socket's empty one, or a /64 already) stays as it is.
[[nodiscard]] std::string counted_source(std::string_view address);

class SourceRules {
 public:
  static constexpr std::size_t kMost = 64;
  SourceRules() = default;
  // Errors: invalid/`source_malformed`, field `sources`.
  [[nodiscard]] static Result<SourceRules> parse(const std::vector<std::string>& networks);

  // No rule: from anywhere. `source` is an address or the /64 that counts for throttling; a rule narrower than a /64 needs
  // the whole address. A source that is no address (the control socket) is allowed only where there is no rule.
  [[nodiscard]] bool allow(std::string_view source) const;
  [[nodiscard]] bool empty() const { return networks_.empty(); }

 private:
  std::vector<Network> networks_;
};

}  // namespace latchkey::people
