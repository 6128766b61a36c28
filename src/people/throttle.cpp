#include "people/throttle.h"

#include <algorithm>
#include <array>
#include <deque>
#include <list>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

namespace latchkey::people {
namespace {

using namespace std::chrono_literals;

constexpr int kFreeTries = 2;             // wrong tries in a row before the first wait
constexpr std::size_t kRecentPrints = 8;  // of one pair, against counting the same PIN twice

}  // namespace

struct Throttle::State {
  struct Delay {
    int wrong_in_a_row = 0;
    SteadyTime not_before{};
    std::deque<std::size_t> recent;
    std::list<std::string>::iterator place;
  };

  explicit State(Bounds bounds_in) : bounds(bounds_in) {}

  // Under the mutex; false: it was there.
  bool remember(std::string_view what) {
    if (!wrong.emplace(what).second) return false;
    wrong_order.emplace_back(what);
    if (wrong_order.size() > bounds.wrong_max) {
      wrong.erase(wrong_order.front());
      wrong_order.pop_front();
    }
    return true;
  }

  const Bounds bounds;
  mutable std::mutex mutex;
  std::list<std::string> order;  // of delays, oldest first
  std::unordered_map<std::string, Delay> delays;
  std::deque<std::string> wrong_order;
  std::unordered_set<std::string> wrong;
  std::unordered_map<std::string, std::unordered_map<std::string, int>> in_flight;
};

Throttle::Throttle(Bounds bounds) : state_(std::make_unique<State>(bounds)) {}
Throttle::Throttle() : Throttle(Bounds()) {}
Throttle::~Throttle() = default;

std::chrono::nanoseconds Throttle::delay(std::string_view pair, SteadyTime now) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->delays.find(std::string(pair));
  if (found == state_->delays.end()) return 0ns;
  return std::max<std::chrono::nanoseconds>(found->second.not_before - now, 0ns);
}

void Throttle::wrong(std::string_view pair, std::string_view fingerprint, SteadyTime now, std::chrono::nanoseconds most) {
  const std::lock_guard lock(state_->mutex);
  const auto [found, fresh] = state_->delays.try_emplace(std::string(pair));
  auto& delay = found->second;
  if (fresh) {
    delay.place = state_->order.insert(state_->order.end(), found->first);
    if (state_->delays.size() > state_->bounds.delays_max) {
      state_->delays.erase(state_->order.front());
      state_->order.pop_front();
    }
  } else {
    state_->order.splice(state_->order.end(), state_->order, delay.place);
  }
  const auto print = std::hash<std::string_view>()(fingerprint);
  if (std::ranges::find(delay.recent, print) != delay.recent.end()) return;
  delay.recent.push_back(print);
  if (delay.recent.size() > kRecentPrints) delay.recent.pop_front();
  ++delay.wrong_in_a_row;
  if (delay.wrong_in_a_row <= kFreeTries) return;
  const auto doublings = std::min(delay.wrong_in_a_row - kFreeTries - 1, 30);
  delay.not_before = now + std::min<std::chrono::nanoseconds>(1s * (std::int64_t{1} << doublings), most);
}

void Throttle::right(std::string_view pair) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->delays.find(std::string(pair));
  if (found == state_->delays.end()) return;
  state_->order.erase(found->second.place);
  state_->delays.erase(found);
}

void Throttle::remember_wrong(std::string_view fingerprint) {
  const std::lock_guard lock(state_->mutex);
  state_->remember(fingerprint);
}

bool Throttle::first_time(std::string_view event) {
  const std::lock_guard lock(state_->mutex);
  return state_->remember("event " + std::string(event));
}

bool Throttle::is_wrong(std::string_view fingerprint) const {
  const std::lock_guard lock(state_->mutex);
  return state_->wrong.contains(std::string(fingerprint));
}

Throttle::Reservation::Reservation(Throttle& throttle, std::string bucket, std::string fingerprint, std::int64_t room)
    : throttle_(throttle), bucket_(std::move(bucket)), fingerprint_(std::move(fingerprint)), granted_(false) {
  const std::lock_guard lock(throttle_.state_->mutex);
  auto& flights = throttle_.state_->in_flight[bucket_];
  const auto found = flights.find(fingerprint_);
  granted_ = found != flights.end() || static_cast<std::int64_t>(flights.size()) < room;
  if (granted_) ++flights[fingerprint_];
  if (flights.empty()) throttle_.state_->in_flight.erase(bucket_);
}

Throttle::Reservation::~Reservation() {
  if (!granted_) return;
  const std::lock_guard lock(throttle_.state_->mutex);
  const auto bucket = throttle_.state_->in_flight.find(bucket_);
  const auto flight = bucket->second.find(fingerprint_);
  if (--flight->second == 0) bucket->second.erase(flight);
  if (bucket->second.empty()) throttle_.state_->in_flight.erase(bucket);
}

void Throttle::clear() {
  const std::lock_guard lock(state_->mutex);
  state_->order.clear();
  state_->delays.clear();
  state_->wrong_order.clear();
  state_->wrong.clear();
}

}  // namespace latchkey::people
