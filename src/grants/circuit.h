// A circuit breaker and a rate cap for each (provider, app): a provider that is down is asked by one grant at a time, and
// a provider's cap on token requests is held however many grants are due.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/clock.h"

namespace latchkey::grants {

struct CircuitBounds {
  int failures_to_open = 5;  // transient failures in a row, over all grants of the app
  Seconds open_for{15};      // doubles at each failed probe, up to open_max
  Seconds open_max{60};      // no longer: a provider that is back must be noticed within the emergency window
  Seconds again_after{1};    // a probe that said nothing of the provider: another grant is the next one
  Seconds probe_patience{120};  // a probe that was never heard of again does not block the next one
};

// Not thread-safe: the keeper's executor only. A value a circuit; kept by the keeper in a map by app.
class Circuit {
 public:
  explicit Circuit(CircuitBounds bounds = {}) : bounds_(bounds) {}

  // Whether a POST may start now. When open, one probe is let through at the end of each waiting time.
  [[nodiscard]] bool admits(SteadyTime now);
  // Whether admits() would let one through, without doing so.
  [[nodiscard]] bool would_admit(SteadyTime now) const;
  // The probe let through ended without having asked the provider: another may go.
  void asked_nobody() { probing_since_.reset(); }
  // ... ended in a failure that says nothing of the provider: another may go a moment later.
  void said_nothing(SteadyTime now);
  void succeeded();
  void failed(SteadyTime now);
  [[nodiscard]] bool open() const { return open_until_.has_value(); }
  [[nodiscard]] int failures() const { return failures_; }  // in a row
  [[nodiscard]] std::optional<SteadyTime> opened_at() const { return opened_at_; }
  [[nodiscard]] std::optional<SteadyTime> next_try() const { return open_until_; }

 private:
  CircuitBounds bounds_;
  int failures_ = 0;
  int probes_failed_ = 0;
  std::optional<SteadyTime> probing_since_;
  std::optional<SteadyTime> opened_at_;
  std::optional<SteadyTime> open_until_;
};

// At most `requests` starts in any span of `per`, evenly spaced after a burst of a tenth. nullopt: no cap.
class RateCap {
 public:
  struct Limit {
    std::int64_t requests = 1;  // at least 1
    Seconds per{60};            // at least 1 s
  };
  explicit RateCap(std::optional<Limit> limit) : limit_(limit) {}
  [[nodiscard]] bool take(SteadyTime now);
  // For one that goes in any case: those after it wait the longer, but never for longer than about half the cap's span.
  void take_anyway(SteadyTime now);

 private:
  void refill(SteadyTime now);
  std::optional<Limit> limit_;
  std::optional<double> tokens_;  // below nought after take_anyway(); nullopt: nothing was taken yet
  SteadyTime last_{};
};

}  // namespace latchkey::grants
