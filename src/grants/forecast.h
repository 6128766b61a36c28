// Warns before a provider forgets grants by the calendar: unused for too long, or consented to too long ago (R26).
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "catalog/catalog.h"
#include "grants/alerts.h"
#include "grants/counters.h"
#include "grants/schedule.h"
#include "store/store.h"

namespace latchkey::grants {

// From the catalogue.
[[nodiscard]] Lifespan lifespan_of(const catalog::Type& type);

struct DyingGrant {
  GrantId grant;
  std::string type;
  WallTime ends_at;
  End end = End::none;  // which of its limits
};
inline constexpr std::size_t kDyingNamed = 20;
inline constexpr std::size_t kForeseenDays = 14;

// The soonest to end of however many are added: kDyingNamed at most are held.
class SoonestToDie {
 public:
  void add(const DyingGrant& grant);
  [[nodiscard]] std::size_t held() const { return heap_.size(); }
  [[nodiscard]] std::vector<DyingGrant> in_order() &&;

 private:
  std::vector<DyingGrant> heap_;  // the latest to end is in front
};

// Raises the one alert `dying_soon` while an end is near (end_near) for grants that Latchkey keeps, with how many, of which
// types, the first day, and the remedy. Grants that a person has locked are that person's.
//
// Lives on the engine's executor; a look is one scan of the store's, in pages.
class Forecast {
 public:
  Forecast(store::Store& store, std::shared_ptr<const catalog::Catalog> catalog, const WallClock& wall, Alerts& alerts, Counters& counters)
      : store_(store), catalog_(std::move(catalog)), wall_(wall), alerts_(alerts), counters_(counters) {}

  // The soonest to end, kDyingNamed at most, and how many there are. A scan of all grants. nullopt: the store cannot be read.
  struct Foreseen {
    std::int64_t count = 0;
    std::vector<DyingGrant> soonest;
    std::array<std::int64_t, kForeseenDays> by_day{};  // in each day from now; what has ended already is in the first
  };
  [[nodiscard]] Task<std::optional<Foreseen>> foresee();
  // An error of the store leaves everything as it was.
  [[nodiscard]] Task<void> look();
  // For ever. The first look waits, so that a server which was off for days has refreshed what can be refreshed.
  [[nodiscard]] Task<void> keep_looking(SteadyClock& steady);

 private:
  // Shows it every grant with an end in sight, in no order: there may be as many as there are grants. false: the store cannot be read.
  [[nodiscard]] Task<bool> scan(std::function<void(const DyingGrant&)> show);

  store::Store& store_;
  std::shared_ptr<const catalog::Catalog> catalog_;
  const WallClock& wall_;
  Alerts& alerts_;
  Counters& counters_;
};

}  // namespace latchkey::grants
