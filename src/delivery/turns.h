// Whose turn it is: which of the deliveries in work is begun next. Pure: no store, no clock.
//
// Invariants: never more at once than the pace allows, altogether and to one connector; among connectors whose turn it may
// be, the one that is sending least comes first, so that a long backlog for one destination holds up no other; a
// destination that does not answer is tried by one delivery at a time until it does. Some 150 octets a delivery.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/id.h"

namespace latchkey::delivery {

struct Pace {
  std::size_t parallel = 16;
  std::size_t parallel_per_connector = 4;
  std::size_t per_minute_per_connector = 0;  // begun; 0: as many as it may be
};

// Whether a destination was reached by a try; unknown: what it said does not tell. not_asked: the try ended before it, and
// does not count among those that have begun.
enum class Reached { yes, no, unknown, not_asked };

struct Turn {
  DeliveryId delivery;
  std::string connector;
  WallTime stored{};  // as given to wait()
};

// Not thread-safe.
class Turns {
 public:
  // A delivery waits until then, which is what its record says by `stored`; where it waited before does not count any more. Of one
  // under way nothing is changed.
  void wait(DeliveryId delivery, const std::string& connector, SteadyTime due_at, WallTime stored = {});
  // The next to begin, which counts as begun; nullopt: it is nobody's turn.
  [[nodiscard]] std::optional<Turn> next(SteadyTime now, const Pace& pace);
  void end(const Turn& turn, Reached reached);

  [[nodiscard]] bool knows(DeliveryId delivery) const {
    return waiting_.contains(delivery) || under_way_.contains(delivery);
  }
  // Whether it waits for just that.
  [[nodiscard]] bool waits_by(DeliveryId delivery, WallTime stored) const;
  // How many it knows.
  [[nodiscard]] std::size_t size() const { return waiting_.size() + under_way_.size(); }
  [[nodiscard]] bool is_under_way(DeliveryId delivery) const { return under_way_.contains(delivery); }
  // When the next of those that wait becomes due after that moment: what is due before it waits for others to end.
  [[nodiscard]] std::optional<SteadyTime> next_due(SteadyTime after) const;

 private:
  using Place = std::pair<SteadyTime, DeliveryId>;
  struct Lane {
    std::set<Place> waiting;       // soonest first
    std::deque<SteadyTime> begun;  // within the last minute
    std::size_t busy = 0;
    std::size_t unreached = 0;  // tries in a row
  };
  struct Waiting {
    std::string connector;
    SteadyTime due_at;
    WallTime stored;
  };
  [[nodiscard]] static bool may_begin(const Lane& lane, SteadyTime now, const Pace& pace);
  void leave(std::map<DeliveryId, Waiting>::iterator waiting);
  void forget_if_idle(const std::string& connector);

  std::map<std::string, Lane> lanes_;
  std::map<DeliveryId, Waiting> waiting_;
  std::set<DeliveryId> under_way_;
  std::string last_;  // whose turn it was: of equals, the next one by name
};

}  // namespace latchkey::delivery
