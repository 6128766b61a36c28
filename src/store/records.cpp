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

}  // namespace latchkey::store
