// Of documents that go to one name at one place: which has to wait for which, so that the newest is the one that stays there
// (docs/design/delivery.md). Pure: no store, no clock; it knows nothing of conflict rules.
//
// Invariants: the oldest of a name waits for nobody but one of that name that is being sent; every other waits for the next
// older one; whoever is held is given out again when what it waits for leaves, ends a try or is told something new. Every
// step is O(log n), whatever the number of documents of one name. Some 300 octets a delivery. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "delivery/turns.h"
#include "store/records.h"

namespace latchkey::delivery {

// Connector, account and name at the destination as one number. Two that share it by chance wait for each other without
// need, and that is all.
using Target = std::size_t;
[[nodiscard]] Target target_of(const store::Delivery& delivery);

// Since when it has been on its way to the name it has: its acceptance, or the last MOVE that gave it the name.
[[nodiscard]] WallTime named_since(const store::Delivery& delivery);

// Whether the last one to arrive under a name is the one that shows there.
[[nodiscard]] constexpr bool keeps_order(store::ConflictRule rule) {
  return rule == store::ConflictRule::replace || rule == store::ConflictRule::new_version;
}

class NameOrder {
 public:
  // It is in work. One that is known already takes its new place, if it has another name or time than before, and is held no
  // longer: its turn comes.
  void enter(DeliveryId delivery, const std::string& connector, Target target, WallTime since);
  void enter(const store::Delivery& delivery);
  // It is not in work any more, or nothing but a person brings it back.
  void leave(DeliveryId delivery);

  struct Ahead {
    DeliveryId delivery;
    bool begun = false;  // it is being sent
  };
  // For which one it waits; nullopt: for none. Also of one that is not known.
  [[nodiscard]] std::optional<Ahead> ahead_of(DeliveryId delivery) const;

  // It is being sent, or looked at.
  void begin(DeliveryId delivery);
  // It is not any more, and stays in work.
  void end(DeliveryId delivery);
  // It waits until it is given out again; false: there is nobody to wait for.
  [[nodiscard]] bool hold(DeliveryId delivery);
  // What those behind it are to be told has changed.
  void tell_next(DeliveryId delivery);
  // A net below everything that ends deliveries without saying so: the first held of each name is given out.
  void look_again();

  [[nodiscard]] bool are_of_one_name(DeliveryId delivery, Target target) const;
  [[nodiscard]] bool is_held(DeliveryId delivery) const { return held_.contains(delivery); }
  [[nodiscard]] std::size_t held() const { return held_.size(); }
  // Whose turn may have come: each once.
  [[nodiscard]] std::vector<Turn> take_released() { return std::exchange(released_, {}); }

 private:
  // The number: of two that came in one millisecond, the one heard of first.
  using Rank = std::tuple<WallTime, std::uint64_t, DeliveryId>;
  struct Line {
    std::set<Rank> waiting;  // all of that name, oldest first
    std::set<DeliveryId> begun;
  };
  struct Member {
    std::string connector;
    Target target = 0;
    Rank rank;
  };
  void release(DeliveryId delivery);
  void release_first(const Line& line);

  std::unordered_map<Target, Line> lines_;
  std::map<DeliveryId, Member> members_;
  std::set<DeliveryId> held_;
  std::vector<Turn> released_;
  std::uint64_t heard_of_ = 0;
};

}  // namespace latchkey::delivery
