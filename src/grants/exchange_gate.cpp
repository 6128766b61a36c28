#include "grants/exchange_gate.h"

#include <algorithm>

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kCapAgain = 100ms;  // between looks whether the cap lets another one through; the first in line only

}  // namespace

std::optional<ExchangeGate::Full> ExchangeGate::missing(const Passenger& who) {
  const auto now = steady_.now();
  const auto bounds = bounds_();
  if (!places_.take(who.app, bounds.parallel, now)) return Full::places;
  if (who.one_shot && !one_shots_.take(who.app, bounds.one_shot, now)) {
    places_.give_back(who.app);
    return Full::one_shots;
  }
  if (who.cap.take(now)) {
    lacked_places_.take();
    if (who.one_shot) lacked_one_shots_.take();
    return std::nullopt;
  }
  places_.give_back(who.app);
  if (who.one_shot) one_shots_.give_back(who.app);
  return Full::cap;
}

std::expected<ExchangeGate::Place, ExchangeGate::Full> ExchangeGate::try_enter(const Passenger& who) {
  if (closed_ || lines_.contains(who.app)) return std::unexpected(Full::line);
  const auto lacking = missing(who);
  if (!lacking) return Place(*this, who);
  const auto bounds = bounds_();
  if (lacking == Full::places) refuse_places(bounds);
  // As few as one app is sure of: another may hang on all the others.
  if (lacking == Full::one_shots) {
    const auto taken = one_shots_.taken();
    lacked_one_shots_.refuse(std::min(one_shots_.sure_of(bounds.one_shot), taken), bounds.one_shot - std::min(bounds.one_shot, taken));
  }
  return std::unexpected(*lacking);
}

void ExchangeGate::refuse_places(const Bounds& bounds) {
  lacked_places_.refuse(places_.taken() / 2, bounds.parallel - std::min(bounds.parallel, places_.taken()));
}

bool ExchangeGate::is_waited_for() const {
  if (lines_.empty()) return false;
  const auto now = steady_.now();
  const auto bounds = bounds_();
  return std::ranges::any_of(lines_, [&](const auto& each) {
    const auto& [app, line] = each;
    const auto& first = line.front();
    return !first.lacks_cap && places_.has_for(app, bounds.parallel, now) && (!first.one_shot || one_shots_.has_for(app, bounds.one_shot, now));
  });
}

bool ExchangeGate::is_full() {
  const auto bounds = bounds_();
  if (places_.taken() < bounds.parallel) return false;
  refuse_places(bounds);
  return true;
}

Task<std::optional<ExchangeGate::Place>> ExchangeGate::enter(Passenger who, std::function<bool()> wanted, Seconds patience) {
  co_return co_await stand_in_line(std::move(who), std::move(wanted), patience, Haste::no);
}

Task<ExchangeGate::Place> ExchangeGate::enter_in_haste(Passenger who, Seconds patience) {
  std::function<bool()> wanted = [] { return true; };
  auto place = co_await stand_in_line(who, std::move(wanted), patience, Haste::yes);
  if (place) co_return *std::move(place);
  const auto now = steady_.now();
  places_.take_anyway(who.app, now);
  lacked_places_.take();
  if (who.one_shot) {
    one_shots_.take_anyway(who.app, now);
    lacked_one_shots_.take();
  }
  who.cap.take_anyway(now);
  co_return Place(*this, who);
}

Task<std::optional<ExchangeGate::Place>> ExchangeGate::stand_in_line(Passenger who, std::function<bool()> wanted, Seconds patience, Haste haste) {
  auto& line = lines_[who.app];
  const auto behind = haste == Haste::no ? line.end() : std::ranges::find(line, Haste::no, &Waiter::haste);
  struct InLine {
    ExchangeGate& gate;
    const std::string& app;
    Line::iterator self;
    ~InLine() { gate.leave(app, self); }
  } const in_line{*this, who.app, line.emplace(behind, executor_, haste, who.one_shot)};
  const auto until = steady_.now() + patience;
  while (!closed_ && wanted()) {
    std::chrono::nanoseconds pause = until - steady_.now();
    if (pause <= 0ns) break;
    if (in_line.self == line.begin()) {
      const auto lacking = missing(who);
      if (!lacking) co_return Place(*this, who);
      in_line.self->lacks_cap = lacking == Full::cap;
      if (lacking == Full::cap) pause = std::min(pause, kCapAgain);
    }
    co_await in_line.self->wake.wait_for(steady_, pause);
  }
  co_return std::nullopt;
}

void ExchangeGate::leave(const std::string& app, Line::iterator waiter) {
  const auto line = lines_.find(app);
  line->second.erase(waiter);
  if (line->second.empty()) lines_.erase(line);
  else line->second.front().wake.notify_all();
}

void ExchangeGate::give_back(const std::string& app, bool one_shot) {
  places_.give_back(app);
  ++lacked_places_.back;
  if (one_shot) {
    one_shots_.give_back(app);
    ++lacked_one_shots_.back;
  }
  for (auto& [waiting, line] : lines_) line.front().wake.notify_all();
}

void ExchangeGate::close() {
  closed_ = true;
  for (auto& [waiting, line] : lines_) {
    for (auto& waiter : line) waiter.wake.notify_all();
  }
}

}  // namespace latchkey::grants
