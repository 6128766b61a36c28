#include "relay/office_quotas.h"

#include <algorithm>
#include <chrono>

namespace latchkey::relay {

namespace {

constexpr Seconds kCountedFor{15 * 60};

}  // namespace

OfficeQuotas::Budget& OfficeQuotas::budget_of(std::string_view office, double most, SteadyTime now) {
  const auto known = budgets_.find(office);
  if (known != budgets_.end()) return known->second;
  return budgets_.emplace(std::string(office), Budget{.left = most, .as_of = now, .counted = {}}).first->second;
}

bool OfficeQuotas::take_from(Budget& budget, double most, SteadyTime now) const {
  const auto minutes = std::chrono::duration<double, std::ratio<60>>(now - budget.as_of).count();
  budget.left = std::min(most, budget.left + minutes * most);
  budget.as_of = now;
  if (budget.left < 1) return false;
  budget.left -= 1;
  return true;
}

bool OfficeQuotas::take(std::string_view office, std::int64_t per_minute, SteadyTime now) {
  if (per_minute <= 0) return true;
  const auto most = static_cast<double>(per_minute);
  const std::lock_guard lock(mutex_);
  return take_from(budget_of(office, most, now), most, now);
}

bool OfficeQuotas::take_for(std::string_view office, std::string_view what, std::int64_t per_minute, SteadyTime now) {
  if (per_minute <= 0) return true;
  const auto most = static_cast<double>(per_minute);
  const auto digest = crypto::sha256(base::as_bytes(what));
  const std::lock_guard lock(mutex_);
  auto& budget = budget_of(office, most, now);
  std::erase_if(budget.counted, [now](const auto& each) { return each.second <= now; });
  if (budget.counted.contains(digest)) return true;
  if (!take_from(budget, most, now)) return false;
  budget.counted.emplace(digest, now + kCountedFor);
  return true;
}

}  // namespace latchkey::relay
