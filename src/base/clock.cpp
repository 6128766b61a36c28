#include "base/clock.h"

#include <fmt/chrono.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>

namespace latchkey::base {

namespace asio = boost::asio;

namespace {

class TimerAlarm final : public Alarm {
 public:
  TimerAlarm(const Executor& executor, std::chrono::nanoseconds span, std::move_only_function<void()> ring)
      : timer_(executor, span), ring_(std::make_shared<std::move_only_function<void()>>(std::move(ring))) {
    timer_.async_wait([ring = std::weak_ptr(ring_)](const boost::system::error_code& error) {
      if (const auto alive = ring.lock(); alive && !error) (*alive)();
    });
  }

 private:
  asio::steady_timer timer_;
  std::shared_ptr<std::move_only_function<void()>> ring_;
};

}  // namespace

std::unique_ptr<Alarm> SteadyClock::ring_at(SteadyTime when, Executor executor, std::move_only_function<void()> ring) {
  return std::make_unique<TimerAlarm>(executor, when - now(), std::move(ring));
}

Task<void> SteadyClock::sleep_for(std::chrono::nanoseconds span) { return sleep_until(now() + span); }

WallTime SystemWallClock::now() const {
  return std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());
}

SteadyTime SystemSteadyClock::now() const { return std::chrono::steady_clock::now(); }

Task<void> SystemSteadyClock::sleep_until(SteadyTime when) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_at(when);
  co_await timer.async_wait(asio::use_awaitable);
}

std::string to_rfc3339(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<Milliseconds> clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

namespace {

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return std::nullopt;
  int value = 0;
  const char* end = text.data() + at + count;
  const auto [stop, error] = std::from_chars(text.data() + at, end, value);
  if (error != std::errc() || stop != end || text[at] == '-' || text[at] == '+') return std::nullopt;
  return value;
}

}  // namespace

std::optional<WallTime> from_rfc3339(std::string_view text) {
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
      !text.ends_with('Z')) {
    return std::nullopt;
  }
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  int ms = 0;
  if (text.size() > 20) {
    if (text[19] != '.' || text.size() > 30) return std::nullopt;
    int scale = 100;
    for (std::size_t at = 20; at + 1 < text.size(); ++at) {
      const auto digit = digits(text, at, 1);
      if (!digit) return std::nullopt;
      ms += *digit * scale;
      scale /= 10;
    }
  }
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         Seconds(*second) + Milliseconds(ms);
}

}  // namespace latchkey::base
