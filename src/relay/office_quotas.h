// How often an office may do something, begin a flow or have an assertion signed: a budget that fills evenly, one minute's
// worth at most. Each instance counts its own.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "crypto/hash.h"

namespace latchkey::relay {

// Thread-safe. Bounded by the number of offices enrolled.
class OfficeQuotas {
 public:
  // False: no more now. `per_minute` 0: no limit.
  [[nodiscard]] bool take(std::string_view office, std::int64_t per_minute, SteadyTime now);
  // The same; what has been counted costs nothing for a quarter of an hour: whoever repeats it takes nothing from others.
  [[nodiscard]] bool take_for(std::string_view office, std::string_view what, std::int64_t per_minute, SteadyTime now);

 private:
  struct Budget {
    double left = 0;
    SteadyTime as_of{};
    std::map<crypto::Digest, SteadyTime> counted;  // until when
  };
  [[nodiscard]] bool take_from(Budget& budget, double most, SteadyTime now) const;
  [[nodiscard]] Budget& budget_of(std::string_view office, double most, SteadyTime now);
  std::mutex mutex_;
  std::map<std::string, Budget, std::less<>> budgets_;
};

}  // namespace latchkey::relay
