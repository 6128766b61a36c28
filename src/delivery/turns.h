// Whose turn it is: which of the deliveries that are due is begun next. Pure: no store, no clock.
//
// Invariants: never more at once than the pace allows, altogether and to one connector; among connectors whose turn it may
// be, the one that is sending least comes first, so that a long backlog for one destination holds up no other; a
// destination that does not answer is tried by one delivery at a time until it does.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"

namespace latchkey::delivery {

struct Pace {
  std::size_t parallel = 16;
  std::size_t parallel_per_connector = 4;
  std::size_t per_minute_per_connector = 0;  // begun; 0: as many as it may be
};

// Whether a destination was reached by a try; unknown: the try ended before it was asked.
enum class Reached { yes, no, unknown };

struct Turn {
  DeliveryId delivery;
  std::string connector;
};

// Not thread-safe.
class Turns {
 public:
  // A delivery that is due; what is known already is not taken twice (false). Soonest first.
  bool add(DeliveryId delivery, const std::string& connector);
  // The next to begin, which counts as begun; nullopt: it is nobody's turn.
  [[nodiscard]] std::optional<Turn> next(SteadyTime now, const Pace& pace);
  void end(const Turn& turn, Reached reached);

  // Those of which nothing more needs to be known now: something waits here, or nothing may be begun.
  [[nodiscard]] std::vector<std::string> settled(SteadyTime now, const Pace& pace) const;
  [[nodiscard]] bool is_full(const Pace& pace) const { return under_way_.size() >= pace.parallel; }
  [[nodiscard]] bool is_under_way(DeliveryId delivery) const { return under_way_.contains(delivery); }

 private:
  struct Lane {
    std::deque<DeliveryId> waiting;
    std::deque<SteadyTime> begun;  // within the last minute
    std::size_t busy = 0;
    std::size_t unreached = 0;  // tries in a row
  };
  [[nodiscard]] static bool may_begin(const Lane& lane, SteadyTime now, const Pace& pace);

  std::map<std::string, Lane> lanes_;
  std::set<DeliveryId> waiting_;
  std::set<DeliveryId> under_way_;
  std::string last_;  // whose turn it was: of equals, the next one by name
};

}  // namespace latchkey::delivery
