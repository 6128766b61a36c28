// Alerts: a console banner, a log line and a metric, one per cause and not one per grant.
//
// What others can bring about for each record, user or address is bounded: of one kind (what stands before the colon) so many stand,
// of lasting ones and of events each. Of events the oldest goes; lasting ones beyond them are counted, by one alert whose cause is the
// kind's name alone.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/log.h"

namespace latchkey::grants {

struct Alert {
  std::string cause;   // stable key: `app_misconfigured:box`
  std::string words;   // what happened, what to do
  WallTime since;
  std::int64_t times = 1;
  std::optional<WallTime> until{};  // ends by itself
  std::int64_t number = 0;          // how many are hit, where the cause counts them; 0: it does not
};

inline constexpr std::size_t kEventsOfAKindMax = 500;   // that are kept
inline constexpr std::size_t kStandingOfAKindMax = 500;  // likewise
inline constexpr std::size_t kCountedOfAKindMax = 10'000;  // beyond those; from there on it is `or more`

// Thread-safe.
class Alerts {
 public:
  Alerts(const WallClock& clock, Log& log) : clock_(clock), log_(log) {}

  // A state that lasts until clear(). Logs when the cause is new; otherwise counts. `number`: Alert::number.
  void raise(std::string cause, std::string words, std::int64_t number = 0);
  // Something that happened: stands for `quiet` after the last time. Each time is news: logged, and `since` moves, so that
  // whoever put the banner away sees it again.
  void tell(std::string cause, std::string words, Milliseconds quiet);
  void clear(const std::string& cause);
  [[nodiscard]] std::vector<Alert> current() const;

 private:
  struct Beyond {
    WallTime since;
    std::unordered_set<std::size_t> causes;  // their hashes
  };
  // Whether the cause, which is not known, finds no place; it is counted then. Sets `is_new`.
  [[nodiscard]] bool is_beyond(const std::string& cause, bool& is_new);

  const WallClock& clock_;
  Log& log_;
  mutable std::mutex mutex_;
  std::map<std::string, Alert> alerts_;
  // By kind; where there is one, the kind has no place left. When one comes free the count begins anew: whoever sees such a cause raises it again.
  std::map<std::string, Beyond> beyond_;
};

}  // namespace latchkey::grants
