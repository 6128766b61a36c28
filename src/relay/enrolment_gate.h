// How many strangers may try an enrolment code: anybody can ask that, and an answer costs a signature's check and a look
// into the book. So there are few places, and few tries for each source (RULES T3).
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "net/ip_address.h"

namespace latchkey::relay {

// Thread-safe. Each instance counts its own.
class EnrolmentGate {
 public:
  static constexpr std::size_t kPlaces = 4;
  static constexpr int kTriesPerMinute = 10;  // of one source; the office behind it needs one

  // Held for as long as an offer is worked on; the gate outlives it. Movable.
  class Place {
   public:
    explicit Place(EnrolmentGate& gate) : gate_(&gate) {}
    Place(Place&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (gate_ != nullptr) gate_->leave();
    }

   private:
    EnrolmentGate* gate_;
  };

  // Errors: unavailable/`too_many_offers` (of this source in this minute), unavailable/`enrolment_busy` (all places taken).
  [[nodiscard]] Result<Place> enter(const net::SourceAddress& source, SteadyTime now);

 private:
  // When that many sources are known, all are forgotten: from then on the places alone are the bound.
  static constexpr std::size_t kSourcesMax = 4096;
  struct Minute {
    SteadyTime since{};
    int tries = 0;
  };
  [[nodiscard]] bool may_try(const net::SourceAddress& source, SteadyTime now);
  void leave();

  std::mutex mutex_;
  std::size_t taken_ = 0;
  std::map<net::SourceAddress, Minute> sources_;
};

}  // namespace latchkey::relay
