// The part of throttling that lives in memory: delays after wrong tries in a row, PINs already known to be wrong, and the
// evaluations in flight that a budget must count before they end (RULES T4).
//
// Everything is bounded; what is forgotten is the oldest. Thread-safe; no call blocks longer than a look-up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace latchkey::people {

class Throttle {
 public:
  struct Bounds {
    std::size_t delays_max = 65'536;
    std::size_t wrong_max = 65'536;
  };
  explicit Throttle(Bounds bounds);
  Throttle();
  ~Throttle();
  Throttle(const Throttle&) = delete;
  Throttle& operator=(const Throttle&) = delete;

  // ---- exponential delay per (name, source), whether or not such a user exists ----
  // How long from `now` the pair must wait; zero: not at all.
  [[nodiscard]] std::chrono::nanoseconds delay(std::string_view pair, SteadyTime now) const;
  // A wrong try: the third distinct one in a row begins a wait of one second, each further one doubles it, up to `most`.
  // The same fingerprint again (of the last few) changes nothing.
  void wrong(std::string_view pair, std::string_view fingerprint, SteadyTime now, std::chrono::nanoseconds most);
  void right(std::string_view pair);

  // ---- PINs known to be wrong: the fingerprint covers user, epoch and PIN ----
  void remember_wrong(std::string_view fingerprint);
  [[nodiscard]] bool is_wrong(std::string_view fingerprint) const;
  // Whether this event has not been asked about before (within the same bounded memory): for alerts told once.
  [[nodiscard]] bool first_time(std::string_view event);

  // ---- evaluations in flight ----
  // Holds a place in a user's budget while a PIN is being evaluated: of `room` distinct fingerprints at most. Equal ones
  // share a place. `granted()` false: the budget might be overdrawn.
  class Reservation {
   public:
    Reservation(Throttle& throttle, std::string bucket, std::string fingerprint, std::int64_t room);
    ~Reservation();
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    [[nodiscard]] bool granted() const { return granted_; }

   private:
    Throttle& throttle_;
    std::string bucket_;
    std::string fingerprint_;
    bool granted_;
  };

  void clear();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::people
