#include "store/records.h"

namespace latchkey::store {
namespace {

constexpr std::string_view kGrantStateNames[] = {"active", "unreachable", "uncertain",  "paused",
                                                 "needs_authorization", "held", "disabled", "revoked"};
constexpr std::string_view kAuthorizationStateNames[] = {"pending", "completed", "failed", "cancelled",
                                                         "expired", "held",      "needs_confirmation"};

}  // namespace

std::string_view name_of(GrantState state) { return kGrantStateNames[static_cast<std::size_t>(state)]; }

std::optional<GrantState> parse_grant_state(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kGrantStateNames); ++i) {
    if (kGrantStateNames[i] == name) return static_cast<GrantState>(i);
  }
  return std::nullopt;
}

bool may_rest_on_consent(GrantState state) {
  return state != GrantState::needs_authorization && state != GrantState::disabled && state != GrantState::revoked;
}

RevocationId entry_of_switched_off(const GrantId& grant) { return *RevocationId::from_bytes(grant.bytes()); }

bool is_locked(GrantState state) {
  switch (state) {
    case GrantState::held:
    case GrantState::disabled:
    case GrantState::revoked: return true;
    case GrantState::active:
    case GrantState::unreachable:
    case GrantState::uncertain:
    case GrantState::paused:
    case GrantState::needs_authorization: return false;
  }
  return true;
}

std::string_view name_of(AuthorizationState state) { return kAuthorizationStateNames[static_cast<std::size_t>(state)]; }

namespace {

// Names of an enumeration that counts from zero.
constexpr std::string_view kAccountKinds[] = {"fixed", "caller"};
constexpr std::string_view kConflictRules[] = {"rename", "replace", "new_version", "fail"};
constexpr std::string_view kDeliveryStates[] = {"queued", "sending", "parked", "maybe_sent", "failed", "delivered"};

template <class Enum, std::size_t Count>
std::string_view name_among(const std::string_view (&names)[Count], Enum value) {
  const auto at = static_cast<std::size_t>(value);
  return at < Count ? names[at] : "unknown";
}
template <class Enum, std::size_t Count>
std::optional<Enum> find_among(const std::string_view (&names)[Count], std::string_view name) {
  for (std::size_t at = 0; at < Count; ++at) {
    if (names[at] == name) return static_cast<Enum>(at);
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(AccountKind kind) { return name_among(kAccountKinds, kind); }
std::optional<AccountKind> parse_account_kind(std::string_view name) { return find_among<AccountKind>(kAccountKinds, name); }
std::string_view name_of(ConflictRule rule) { return name_among(kConflictRules, rule); }
std::optional<ConflictRule> parse_conflict_rule(std::string_view name) { return find_among<ConflictRule>(kConflictRules, name); }
std::string_view name_of(DeliveryState state) { return name_among(kDeliveryStates, state); }
std::optional<DeliveryState> parse_delivery_state(std::string_view name) { return find_among<DeliveryState>(kDeliveryStates, name); }
bool is_in_work(DeliveryState state) { return state <= DeliveryState::parked; }

}  // namespace latchkey::store
