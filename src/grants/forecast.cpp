#include "grants/forecast.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

namespace latchkey::grants {
namespace {

constexpr std::chrono::minutes kFirstLook{10};
constexpr std::chrono::hours kLookEvery{1};
constexpr std::string_view kCause = "dying_soon";
constexpr std::size_t kTypesNamed = 5;

// Grants with an end in sight for one reason.
struct Dying {
  std::int64_t count = 0;
  WallTime first = WallTime::max();
  std::map<std::string, std::int64_t> by_type;

  void add(const std::string& type, WallTime end) {
    ++count;
    first = std::min(first, end);
    ++by_type[type];
  }
  [[nodiscard]] std::string words() const {
    std::string types;
    std::size_t named = 0;
    for (const auto& [type, number] : by_type) {
      if (named++ == kTypesNamed) {
        types += ", and others";
        break;
      }
      types += fmt::format("{}{} {}", types.empty() ? "" : ", ", number, type);
    }
    return fmt::format("{} {} ({}; the first on {})", count, count == 1 ? "account" : "accounts", types, base::to_rfc3339(first).substr(0, 10));
  }
};

// The earliest moment at which an end of some type with a limit comes near.
WallTime near_since(WallTime now, Seconds lifetime) { return now - (lifetime - std::min(kWarnedBefore, lifetime / 2)); }

}  // namespace

Lifespan lifespan_of(const catalog::Type& type) { return {.idle = type.idle_lifetime, .absolute = type.absolute_lifetime}; }

void SoonestToDie::add(const DyingGrant& grant) {
  if (heap_.size() == kDyingNamed) {
    if (grant.ends_at >= heap_.front().ends_at) return;
    std::ranges::pop_heap(heap_, {}, &DyingGrant::ends_at);
    heap_.pop_back();
  }
  heap_.push_back(grant);
  std::ranges::push_heap(heap_, {}, &DyingGrant::ends_at);
}

std::vector<DyingGrant> SoonestToDie::in_order() && {
  std::ranges::sort_heap(heap_, {}, &DyingGrant::ends_at);
  return std::move(heap_);
}

Task<bool> Forecast::scan(std::function<void(const DyingGrant&)> show) {
  const auto now = wall_.now();
  std::map<std::string, Lifespan> lives;
  store::AgeQuery query;
  for (const auto& type : catalog_->types()) {
    const auto life = lifespan_of(*type);
    if (!life.idle && !life.absolute) continue;
    lives[type->id] = life;
    query.types.push_back(type->id);
    if (life.idle) query.refreshed_before = std::max(query.refreshed_before, near_since(now, *life.idle));
    if (life.absolute) query.consented_before = std::max(query.consented_before, near_since(now, *life.absolute));
  }
  for (;;) {
    const auto page = co_await store_.aged_grants(query);
    if (!page) co_return false;
    for (const auto& grant : *page) {
      const auto& life = lives[grant.type];
      const auto end = end_near(life, grant.consented_at, grant.refreshed_at, now);
      if (end == End::idle) show({grant.id, grant.type, grant.refreshed_at + *life.idle, end});
      if (end == End::absolute) show({grant.id, grant.type, grant.consented_at + *life.absolute, end});
    }
    if (page->size() < query.limit) co_return true;
    query.after = page->back().id;
  }
}

Task<std::optional<Forecast::Foreseen>> Forecast::foresee() {
  Foreseen foreseen;
  SoonestToDie soonest;
  const auto count = [&foreseen, &soonest, now = wall_.now()](const DyingGrant& grant) {
    const auto days = std::chrono::floor<std::chrono::days>(grant.ends_at - now).count();
    foreseen.by_day[static_cast<std::size_t>(std::clamp<std::int64_t>(days, 0, kForeseenDays - 1))] += 1;
    foreseen.count += 1;
    soonest.add(grant);
  };
  if (!co_await scan(count)) co_return std::nullopt;
  foreseen.soonest = std::move(soonest).in_order();
  co_return foreseen;
}

Task<void> Forecast::look() {
  Dying idle;
  Dying of_age;
  const auto count = [&idle, &of_age](const DyingGrant& grant) { (grant.end == End::idle ? idle : of_age).add(grant.type, grant.ends_at); };
  if (!co_await scan(count)) co_return;
  counters_.dying_idle = idle.count;
  counters_.dying_of_age = of_age.count;
  std::string words;
  if (idle.count > 0) {
    words = fmt::format("{} could not be refreshed for so long that the provider will forget what was given. See Users, states unreachable, "
                        "paused and uncertain: each says what stands in the way. Mend it or authorise again before that day.",
                        idle.words());
  }
  if (of_age.count > 0) {
    words += fmt::format("{}{} will come to the end of what was consented to, however often it is refreshed. Open them under Users "
                         "and authorise again before that day.",
                         words.empty() ? "" : " ", of_age.words());
  }
  if (words.empty()) {
    alerts_.clear(std::string(kCause));
  } else {
    alerts_.raise(std::string(kCause), std::move(words), idle.count + of_age.count);
  }
}

Task<void> Forecast::keep_looking(SteadyClock& steady) {
  co_await steady.sleep_for(kFirstLook);
  for (;;) {
    co_await look();
    co_await steady.sleep_for(kLookEvery);
  }
}

}  // namespace latchkey::grants
