// Strong identifiers: 128 bits, ordered by the time they were made (RFC 9562 version 7), so that stores append.
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/entropy.h"

namespace latchkey::base {

using IdOctets = std::array<std::uint8_t, 16>;
[[nodiscard]] IdOctets make_id_octets(WallTime now, Entropy& entropy);
[[nodiscard]] std::string id_text(const IdOctets& octets);
[[nodiscard]] std::optional<IdOctets> parse_id(std::string_view text);

// A value. `Id<struct UserTag>` and `Id<struct GrantTag>` do not mix. The all-zero id means "none".
template <class Tag>
class Id {
 public:
  constexpr Id() = default;
  explicit constexpr Id(const IdOctets& octets) : octets_(octets) {}

  [[nodiscard]] static Id make(WallTime now, Entropy& entropy) { return Id(make_id_octets(now, entropy)); }
  [[nodiscard]] static std::optional<Id> parse(std::string_view text) {
    const auto octets = parse_id(text);
    if (!octets) return std::nullopt;
    return Id(*octets);
  }
  // From the 16 octets a store keeps; nullopt for any other length.
  [[nodiscard]] static std::optional<Id> from_bytes(ByteView bytes) {
    if (bytes.size() != 16) return std::nullopt;
    IdOctets octets;
    std::memcpy(octets.data(), bytes.data(), octets.size());
    return Id(octets);
  }

  [[nodiscard]] bool none() const { return octets_ == IdOctets{}; }
  [[nodiscard]] ByteView bytes() const { return octets_; }
  [[nodiscard]] std::string text() const { return id_text(octets_); }

  friend auto operator<=>(const Id&, const Id&) = default;

 private:
  IdOctets octets_{};
};

struct IdHash {
  template <class Tag>
  std::size_t operator()(const Id<Tag>& id) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, id.bytes().data() + 8, sizeof value);  // the random half
    return value;
  }
};

using GroupId = Id<struct GroupTag>;
using UserId = Id<struct UserTag>;
using GrantId = Id<struct GrantTag>;
using IntentId = Id<struct IntentTag>;
using AuthorizationId = Id<struct AuthorizationTag>;
using DelegationId = Id<struct DelegationTag>;
using NodeId = Id<struct NodeTag>;
using RevocationId = Id<struct RevocationTag>;
using DeliveryId = Id<struct DeliveryTag>;
using DeviceId = Id<struct DeviceTag>;

}  // namespace latchkey::base

namespace latchkey {
using base::AuthorizationId;
using base::DelegationId;
using base::DeliveryId;
using base::DeviceId;
using base::GrantId;
using base::GroupId;
using base::IdHash;
using base::IntentId;
using base::NodeId;
using base::RevocationId;
using base::UserId;
}  // namespace latchkey
