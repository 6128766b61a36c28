// Who may have one of the few places for exchanges. A provider that takes a minute to answer must not keep every other provider's
// grants from being refreshed (F4): whatever app wants places is sure of some.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"

namespace latchkey::grants {

class AppPlaces {
 public:
  // Takes one of `places` for the app, if enough are left for those who have less than they are sure of.
  [[nodiscard]] bool take(const std::string& app, std::size_t places, SteadyTime now) {
    std::erase_if(apps_, [&](const auto& entry) { return entry.second.taken == 0 && entry.second.wanted_at + kRemembered < now; });
    auto& its = apps_[app];
    its.wanted_at = now;
    if (!has_for(app, places, now)) {
      its.refused_at = now;
      return false;
    }
    add(its, now);
    return true;
  }
  // Whether it would get one.
  [[nodiscard]] bool has_for(const std::string& app, std::size_t places, SteadyTime now) const {
    if (taken_ >= places) return false;
    const auto sure = sure_of(places);
    std::size_t its = 0;
    std::size_t owed = 0;  // to the others
    for (const auto& [name, each] : apps_) {
      if (name == app) its = each.taken;
      else owed += each.owed(sure, now);
    }
    return its < sure || places - taken_ > owed;
  }
  // One beyond whatever bounds there are.
  void take_anyway(const std::string& app, SteadyTime now) {
    auto& its = apps_[app];
    its.wanted_at = now;
    add(its, now);
  }
  void give_back(const std::string& app) {
    --apps_[app].taken;
    --taken_;
  }
  [[nodiscard]] std::size_t taken() const { return taken_; }
  // Of how many of `places` each app that wants some is sure.
  [[nodiscard]] std::size_t sure_of(std::size_t places) const {
    return std::max<std::size_t>(1, places / std::max<std::size_t>(8, apps_.size()));
  }

 private:
  static constexpr Seconds kRemembered{60};  // an app that wants places says so again sooner than that
  static constexpr Seconds kStillWanted{2};  // by one that was refused
  struct Its {
    std::size_t taken = 0;
    SteadyTime wanted_at{};
    std::size_t most = 0;  // that it had at a time, lately
    SteadyTime most_at{};
    std::optional<SteadyTime> refused_at;

    // Places kept free for it: as many as it has needed lately and one more; whoever was refused is owed all that it is sure of.
    [[nodiscard]] std::size_t owed(std::size_t sure, SteadyTime now) const {
      const bool wants_more = refused_at && now < *refused_at + kStillWanted;
      const auto goal = wants_more ? sure : std::min(sure, most + 1);
      return goal - std::min(goal, taken);
    }
  };

  void add(Its& its, SteadyTime now) {
    ++its.taken;
    if (its.taken >= its.most || its.most_at + kRemembered < now) {
      its.most = its.taken;
      its.most_at = now;
    }
    ++taken_;
  }

  std::map<std::string, Its> apps_;
  std::size_t taken_ = 0;
};

}  // namespace latchkey::grants
