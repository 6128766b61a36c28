// Time. Wall time says when a token expires; steady time says how long to wait. They are different types on purpose:
// a wall clock may jump an hour or to 1970, and nothing may sleep by it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"

namespace latchkey::base {

using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;
using WallTime = std::chrono::sys_time<Milliseconds>;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

// Both interfaces may be used from any thread.
class WallClock {
 public:
  virtual ~WallClock() = default;
  [[nodiscard]] virtual WallTime now() const = 0;
};

// Rings once, unless it goes first.
class Alarm {
 public:
  virtual ~Alarm() = default;
};

class SteadyClock {
 public:
  virtual ~SteadyClock() = default;
  [[nodiscard]] virtual SteadyTime now() const = 0;
  // Calls `ring` on the executor at `when`, as long as the alarm lives; it is let go on that executor. By itself a clock
  // waits for what lies between now() and `when` in real time; a simulation overrides this together with sleep_until().
  [[nodiscard]] virtual std::unique_ptr<Alarm> ring_at(SteadyTime when, Executor executor, std::move_only_function<void()> ring);
  // Resumes on the awaiting task's executor. Throws the executor's cancellation when the task is cancelled.
  [[nodiscard]] virtual Task<void> sleep_until(SteadyTime when) = 0;
  [[nodiscard]] Task<void> sleep_for(std::chrono::nanoseconds span);
};

class SystemWallClock final : public WallClock {
 public:
  [[nodiscard]] WallTime now() const override;
};

class SystemSteadyClock final : public SteadyClock {
 public:
  [[nodiscard]] SteadyTime now() const override;
  [[nodiscard]] Task<void> sleep_until(SteadyTime when) override;
};

// RFC 3339 in UTC with milliseconds: 2026-11-23T18:52:00.000Z.
[[nodiscard]] std::string to_rfc3339(WallTime time);
[[nodiscard]] std::optional<WallTime> from_rfc3339(std::string_view text);

// Milliseconds since 1970, as the store keeps them.
[[nodiscard]] constexpr std::int64_t to_unix_ms(WallTime time) { return time.time_since_epoch().count(); }
[[nodiscard]] constexpr WallTime from_unix_ms(std::int64_t ms) { return WallTime(Milliseconds(ms)); }

}  // namespace latchkey::base

namespace latchkey {
using base::Milliseconds;
using base::Seconds;
using base::SteadyClock;
using base::SteadyTime;
using base::WallClock;
using base::WallTime;
}  // namespace latchkey
