#include "net/stream_places.h"

#include <algorithm>
#include <array>
#include <utility>

namespace latchkey::net {
namespace {

// The /48 that an IPv6 address lies in, by its first address.
std::optional<IpAddress> network_of(const IpAddress& address, StreamCaller caller) {
  if (address.is_v4() || caller == StreamCaller::named) return std::nullopt;
  std::array<std::uint8_t, 16> octets{};
  std::ranges::copy(address.octets().first(6), octets.begin());
  return IpAddress::v6(octets);
}

template <class Counts, class Key>
bool is_full(const Counts& counts, const Key& key, std::size_t most) {
  const auto found = counts.find(key);
  return (found == counts.end() ? 0 : found->second) >= most;
}

template <class Counts, class Key>
void give_one(Counts& counts, const Key& key) {
  const auto found = counts.find(key);
  if (found != counts.end() && --found->second == 0) counts.erase(found);
}

}  // namespace

StreamPlaces::Place& StreamPlaces::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  places_ = std::move(other.places_);
  caller_ = other.caller_;
  source_ = other.source_;
  return *this;
}

void StreamPlaces::Place::give_back() {
  const auto places = std::exchange(places_, nullptr);
  if (!places) return;
  if (source_) places->give(*source_, caller_);
  else places->leave(caller_);
}

std::optional<StreamPlaces::Place> StreamPlaces::enter(StreamCaller caller) {
  const std::lock_guard lock(mutex_);
  auto& count = entered(caller);
  if (count >= (caller == StreamCaller::stranger ? most_.strangers : most_.all)) return std::nullopt;
  ++count;
  return Place(shared_from_this(), caller, std::nullopt);
}

void StreamPlaces::leave(StreamCaller caller) {
  const std::lock_guard lock(mutex_);
  --entered(caller);
}

std::optional<StreamPlaces::Place> StreamPlaces::take(const IpAddress& source, StreamCaller caller) {
  const std::lock_guard lock(mutex_);
  const auto network = network_of(source, caller);
  if (is_full(by_source_, SourceAddress(source), most_.of_a_source)) return std::nullopt;
  if (network && is_full(by_network_, *network, most_.of_a_network)) return std::nullopt;
  ++by_source_[SourceAddress(source)];
  if (network) ++by_network_[*network];
  return Place(shared_from_this(), caller, source);
}

void StreamPlaces::give(const IpAddress& source, StreamCaller caller) {
  const std::lock_guard lock(mutex_);
  give_one(by_source_, SourceAddress(source));
  if (const auto network = network_of(source, caller)) give_one(by_network_, *network);
}

std::size_t StreamPlaces::count() const {
  const std::lock_guard lock(mutex_);
  return strangers_ + others_;
}

}  // namespace latchkey::net
