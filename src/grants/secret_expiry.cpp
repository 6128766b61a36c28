#include "grants/secret_expiry.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <set>

namespace latchkey::grants {
namespace {

constexpr std::chrono::days kWarning{30};
constexpr std::chrono::minutes kLookEvery{1};  // of several servers, those where the app was not saved learn of it
constexpr std::string_view kCause = "app_secret_expires:";

// When the app is left without a secret; nullopt: not by the calendar.
std::optional<WallTime> runs_out(const store::App& app) {
  std::optional<WallTime> last;
  for (const auto& secret : app.secrets) {
    if (secret.sealed.empty()) continue;
    if (!secret.expires_at) return std::nullopt;
    last = std::max(last.value_or(*secret.expires_at), *secret.expires_at);
  }
  return last;
}

std::string day_of(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{std::chrono::sys_days(day.time_since_epoch())};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

}  // namespace

void SecretExpiry::look_at(const store::App& app) {
  const auto cause = std::string(kCause) + app.id;
  const auto end = runs_out(app);
  const auto now = wall_.now();
  if (!end || *end - now > kWarning) {
    alerts_.clear(cause);
    return;
  }
  alerts_.raise(cause, fmt::format("The client secret of {} {} on {}. {} Make a new one at the provider, put it into the second place under OAuth "
                                   "settings, and erase the old one afterwards: nothing is interrupted.",
                                   app.id, *end > now ? "runs out" : "ran out", day_of(*end),
                                   *end > now ? "From then on none of its grants can be refreshed." : "Its grants can no longer be refreshed."));
}

void SecretExpiry::forget(const std::string& app) { alerts_.clear(std::string(kCause) + app); }

Task<void> SecretExpiry::look() {
  const auto apps = co_await store_.apps();
  if (!apps) co_return;
  std::set<std::string> known;
  for (const auto& app : *apps) {
    known.insert(app.id);
    look_at(app);
  }
  for (const auto& alert : alerts_.current()) {
    const std::string_view cause = alert.cause;
    if (cause.starts_with(kCause) && !known.contains(alert.cause.substr(kCause.size()))) alerts_.clear(alert.cause);
  }
}

Task<void> SecretExpiry::keep_looking(SteadyClock& steady) {
  for (;;) {
    co_await look();
    co_await steady.sleep_for(kLookEvery);
  }
}

}  // namespace latchkey::grants
