#include "grants/schedule.h"

#include <algorithm>
#include <cstring>

namespace latchkey::grants {
namespace {

constexpr double kJitterShare = 0.1;
constexpr Seconds kBackOffFirst{5};
constexpr Seconds kBackOffMax{600};
constexpr Seconds kEmergencyBackOffMax{30};
constexpr Seconds kRetryAfterMax = std::chrono::hours(24);

Milliseconds part_of(Milliseconds span, double share) {
  return Milliseconds(static_cast<std::int64_t>(static_cast<double>(span.count()) * share));
}

std::optional<WallTime> end_of(WallTime begin, const std::optional<Seconds>& lifetime) {
  return lifetime ? std::optional<WallTime>(begin + *lifetime) : std::nullopt;
}

bool is_near(const std::optional<WallTime>& end, const std::optional<Seconds>& lifetime, WallTime now) {
  return end && *end - now < std::min(kWarnedBefore, *lifetime / 2);
}

}  // namespace

Seconds lifetime_of(const Issue& issue) {
  if (!issue.expires_at) return kUnknownLifetime;
  return std::max(Seconds(1), std::chrono::duration_cast<Seconds>(*issue.expires_at - issue.issued_at));
}

Seconds margin_of(Seconds lifetime) {
  const Seconds tenth = std::clamp(lifetime / 10, kMarginMin, kMarginMax);
  return std::min(tenth, lifetime / 2);
}

double jitter_of(const GrantId& grant, std::int64_t salt) {
  std::uint64_t value = 0;
  std::memcpy(&value, grant.bytes().data() + 8, sizeof value);
  value += static_cast<std::uint64_t>(salt) * 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  value ^= value >> 31;
  return static_cast<double>(value >> 11) * 0x1.0p-53;
}

WallTime earliest_refresh(const Issue& issue, const Pace& pace) {
  if (!pace.refused_until_before_expiry) return issue.issued_at;
  const auto window = std::min<Milliseconds>(*pace.refused_until_before_expiry, lifetime_of(issue));
  return issue.issued_at + lifetime_of(issue) - window;
}

WallTime emergency_from(const Issue& issue, const Pace& pace) {
  const auto lifetime = lifetime_of(issue);
  return std::max(issue.issued_at + lifetime - margin_of(lifetime), earliest_refresh(issue, pace));
}

WallTime due_time(const Issue& issue, const Pace& pace, const GrantId& grant) {
  const auto lifetime = lifetime_of(issue);
  const auto before_expiry = issue.issued_at + lifetime - margin_of(lifetime);
  auto wanted = std::min<WallTime>(issue.issued_at + pace.polling_time, before_expiry);
  if (pace.idle_lifetime) wanted = std::min<WallTime>(wanted, issue.issued_at + *pace.idle_lifetime / 2);
  const auto earliest = earliest_refresh(issue, pace);
  if (wanted <= earliest) {
    // No room before: what room there is lies between the provider's earliest moment and expiry.
    const auto room = issue.issued_at + lifetime - earliest;
    return earliest + part_of(room, kJitterShare * jitter_of(grant, base::to_unix_ms(issue.issued_at)));
  }
  const auto jitter = part_of(wanted - issue.issued_at, kJitterShare * jitter_of(grant, base::to_unix_ms(issue.issued_at)));
  return std::max(earliest, wanted - jitter);
}

std::optional<WallTime> dies_at(const Lifespan& life, WallTime consented_at, WallTime refreshed_at) {
  const auto idle = end_of(refreshed_at, life.idle);
  const auto absolute = end_of(consented_at, life.absolute);
  if (!idle || !absolute) return idle ? idle : absolute;
  return std::min(*idle, *absolute);
}

End end_near(const Lifespan& life, WallTime consented_at, WallTime refreshed_at, WallTime now) {
  const auto idle = end_of(refreshed_at, life.idle);
  const auto absolute = end_of(consented_at, life.absolute);
  const bool idle_near = is_near(idle, life.idle, now);
  const bool absolute_near = is_near(absolute, life.absolute, now);
  if (idle_near && absolute_near) return *idle < *absolute ? End::idle : End::absolute;
  if (idle_near) return End::idle;
  return absolute_near ? End::absolute : End::none;
}

WallTime retry_time(WallTime now, int failures, std::optional<Seconds> retry_after, const Issue& issue, const Pace& pace,
                    const GrantId& grant) {
  const int doublings = std::clamp(failures - 1, 0, 10);
  const Seconds full = std::min(kBackOffFirst * (1 << doublings), kBackOffMax);
  const auto salt = base::to_unix_ms(now) + failures;
  Milliseconds wait = full - part_of(full, 0.5 * jitter_of(grant, salt));
  const auto emergency = emergency_from(issue, pace);
  if (now >= emergency) {
    wait = std::min<Milliseconds>(wait, kEmergencyBackOffMax);
  } else {
    wait = std::min<Milliseconds>(wait, emergency - now);
  }
  if (retry_after) wait = std::max<Milliseconds>(wait, std::min(*retry_after, kRetryAfterMax));
  return now + std::max(wait, Milliseconds(1000));
}

}  // namespace latchkey::grants
