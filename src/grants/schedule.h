// When a grant is refreshed next: pure arithmetic on times (docs/reliability.md, RULES F1, F9).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/id.h"

namespace latchkey::grants {

// How a type's refresh tokens behave in time; from the catalogue and the registry.
struct Pace {
  Seconds polling_time = std::chrono::minutes(20);
  // The provider refuses a refresh while the access token has more than this left; nullopt: any time is fine.
  std::optional<Seconds> refused_until_before_expiry;
  // An unused refresh token dies after this long without use; nullopt: never.
  std::optional<Seconds> idle_lifetime;
};

// What one token set says of itself. `lifetime` is what is left at `issued_at`, already made sane.
struct Issue {
  WallTime issued_at;
  std::optional<WallTime> expires_at;  // nullopt: the provider did not say
};

inline constexpr Seconds kUnknownLifetime = std::chrono::hours(1);
inline constexpr Seconds kMarginMin{60};
inline constexpr Seconds kMarginMax{300};

// A tenth of the lifetime, between 60 and 300 s, and at most half of it.
[[nodiscard]] Seconds margin_of(Seconds lifetime);
[[nodiscard]] Seconds lifetime_of(const Issue& issue);

// max(earliest the provider allows, min(issued + polling time, expiry - margin)), less a deterministic jitter of at most a
// tenth of the waiting time, never before `earliest`; and not later than half the idle lifetime after issue.
[[nodiscard]] WallTime due_time(const Issue& issue, const Pace& pace, const GrantId& grant);

// The first moment at which the provider accepts a refresh.
[[nodiscard]] WallTime earliest_refresh(const Issue& issue, const Pace& pace);

// From here to expiry everything else gives way (back-off, an open circuit): the last chance to have a token without a gap.
[[nodiscard]] WallTime emergency_from(const Issue& issue, const Pace& pace);

// Back-off after `failures` failures in a row (1, 2, ...): 5 s doubling to 10 min, jitter of half; `Retry-After` is obeyed
// up to a day. While the access token lives, a retry falls no later than the emergency window's start; in the window and
// after expiry it is at most 30 s away unless the provider asked for more.
[[nodiscard]] WallTime retry_time(WallTime now, int failures, std::optional<Seconds> retry_after, const Issue& issue,
                                  const Pace& pace, const GrantId& grant);

// How long a provider honours a type's refresh tokens; from the catalogue. nullopt: no such limit.
struct Lifespan {
  std::optional<Seconds> idle;      // unused for so long
  std::optional<Seconds> absolute;  // so long after the consent, however often it is used
};

inline constexpr Seconds kWarnedBefore = std::chrono::days(14);

// When the provider forgets the grant unless it is refreshed (idle) or authorised anew (absolute), whichever comes first;
// nullopt: not by the calendar. `consented_at`: Grant::created_at; `refreshed_at`: the last exchange that brought tokens.
[[nodiscard]] std::optional<WallTime> dies_at(const Lifespan& life, WallTime consented_at, WallTime refreshed_at);

// Which end a person must be warned of by now (R26), the nearer one of two; none: no end is near. That is from 14 days before
// it, or from the middle of the lifetime where that is later: a grant that is refreshed as it should be never gets so near its
// idle limit (due_time).
enum class End { none, idle, absolute };
[[nodiscard]] End end_near(const Lifespan& life, WallTime consented_at, WallTime refreshed_at, WallTime now);

// A number in [0, 1) that is the same on every node and run for this grant and salt: jitter without randomness.
[[nodiscard]] double jitter_of(const GrantId& grant, std::int64_t salt);

}  // namespace latchkey::grants
