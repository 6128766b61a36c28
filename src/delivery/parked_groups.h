// Parked deliveries that wait for the same thing: one of them is looked at for all, so that a dead account with ten thousand
// documents costs no more than one with a single document. Pure: no store, no clock.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/id.h"

namespace latchkey::delivery {

// What deliveries have in common that go to one connector by one grant.
struct SharedWay {
  GrantId grant;
  std::string connector;
  friend auto operator<=>(const SharedWay&, const SharedWay&) = default;
};

// Not thread-safe. Invariant: of every group that is not empty exactly one is looked at.
class ParkedGroups {
 public:
  struct Looked {
    DeliveryId delivery;
    std::string connector;
  };

  // It waits with the others of its way, and with no others. Whether it is the one that is looked at.
  bool enter(DeliveryId delivery, const SharedWay& way);
  [[nodiscard]] bool waits(DeliveryId delivery, const SharedWay& way) const;
  // Whether another one is looked at for it.
  [[nodiscard]] bool is_looked_at_by_another(DeliveryId delivery, const SharedWay& way) const;
  // It does not wait with them any more. Who is looked at from now on, where it was this one.
  std::optional<Looked> leave(DeliveryId delivery);
  // What they wait for is there: whose turn it is, all of them but this one.
  [[nodiscard]] std::vector<DeliveryId> open(const SharedWay& way, DeliveryId but);

  [[nodiscard]] bool contains(DeliveryId delivery) const { return ways_.contains(delivery); }
  [[nodiscard]] std::size_t size() const { return ways_.size(); }

 private:
  struct Group {
    DeliveryId looked_at;
    std::set<DeliveryId> members;  // itself among them
  };
  std::map<SharedWay, Group> groups_;
  std::map<DeliveryId, SharedWay> ways_;
};

}  // namespace latchkey::delivery
