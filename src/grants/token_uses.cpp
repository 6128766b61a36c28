#include "grants/token_uses.h"

#include <algorithm>

namespace latchkey::grants {
namespace {

constexpr Seconds kLookEvery{5};
constexpr Milliseconds kReserve{120'000};  // of the token's life, or a quarter of it where that is less: for the refresh, should it have to be tried twice

}  // namespace

std::optional<WallTime> after_uploads(const store::Grant& grant, WallTime now) {
  if (!grant.access_expires_at) return now + kLookEvery;
  const auto latest = *grant.access_expires_at - std::min<Milliseconds>(kReserve, (*grant.access_expires_at - grant.issued_at) / 4);
  if (now >= latest) return std::nullopt;
  return std::min<WallTime>(now + kLookEvery, latest);
}

}  // namespace latchkey::grants
