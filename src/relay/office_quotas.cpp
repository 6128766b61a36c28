#include "relay/office_quotas.h"

#include <algorithm>
#include <chrono>

namespace latchkey::relay {

bool OfficeQuotas::take(std::string_view office, std::int64_t per_minute, SteadyTime now) {
  if (per_minute <= 0) return true;
  const auto most = static_cast<double>(per_minute);
  const std::lock_guard lock(mutex_);
  auto known = budgets_.find(office);
  if (known == budgets_.end()) known = budgets_.emplace(std::string(office), Budget{.left = most, .as_of = now}).first;
  auto& budget = known->second;
  const auto minutes = std::chrono::duration<double, std::ratio<60>>(now - budget.as_of).count();
  budget.left = std::min(most, budget.left + minutes * most);
  budget.as_of = now;
  if (budget.left < 1) return false;
  budget.left -= 1;
  return true;
}

}  // namespace latchkey::relay
