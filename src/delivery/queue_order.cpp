// Documents of one name at one place, one after the other.
#include "delivery/queue.h"
#include "delivery/timeline.h"

namespace latchkey::delivery {
namespace {

constexpr std::string_view kWaits = "An older document of this name has not arrived yet. This one goes once it has.";
constexpr std::string_view kWaitsForPerson =
    "An older document of this name waits for a person. This one goes once that one has arrived, or is deleted or sent "
    "elsewhere.";

}  // namespace

void Queue::line_up(const store::Delivery& delivery, WallTime due_at) {
  order_.enter(delivery);
  wait(delivery.id, delivery.connector, due_at);
  give_turns();
}

void Queue::give_turns() {
  for (const auto& next : order_.take_released()) wait_no_longer(next.delivery, next.connector);
}

Task<Result<Queue::Place>> Queue::place_of(Turn turn) {
  if (order_.ahead_of(turn.delivery)) {
    const auto connector = co_await parts_.store.connector(turn.connector);
    if (!connector) co_return std::unexpected(connector.error());
    const bool ordered = *connector && keeps_order((*connector)->conflict);
    while (const auto ahead = ordered ? order_.ahead_of(turn.delivery) : std::nullopt) {
      const auto found = co_await parts_.store.delivery(ahead->delivery);
      if (!found) co_return std::unexpected(found.error());
      if (!ahead->begun && !is_still_in(turn.delivery, *found)) {
        order_.leave(ahead->delivery);
        continue;
      }
      const bool parked = !ahead->begun && (*found)->state == store::DeliveryState::parked;
      const auto told = co_await tell_it_waits(turn.delivery, parked);
      if (!told) co_return std::unexpected(told.error());
      co_return *told ? Place::waits_otherwise : Place::waits;
    }
  }
  order_.begin(turn.delivery);
  co_return Place::goes;
}

// Deleted, ended or renamed by whoever does not tell this queue: another server, for one.
bool Queue::is_still_in(DeliveryId behind, const std::optional<store::Delivery>& ahead) const {
  return ahead && store::is_in_work(ahead->state) && ahead->node == parts_.node &&
         order_.are_of_one_name(behind, target_of(*ahead));
}

Task<Result<bool>> Queue::tell_it_waits(DeliveryId id, bool for_person) {
  const auto now = parts_.wall.now();
  const auto told = co_await change(id, [now, for_person, node = parts_.node](store::Delivery& one) {
    if (one.node != node || one.state != store::DeliveryState::queued) return false;
    if (!for_person && one.why == kWaits) return false;
    one.why = for_person ? kWaitsForPerson : kWaits;
    if (for_person) {
      one.state = store::DeliveryState::parked;
      one.due_at = now;
    }
    note(one, now, for_person ? "parked" : "waits", one.why);
    return true;
  });
  if (!told) co_return std::unexpected(told.error());
  if (!*told) co_return false;
  if (for_person) {
    parts_.counters.parked += 1;
    if (parts_.tell_owner) tasks_.spawn("letter to an owner", parts_.tell_owner(std::move(**told)));
  }
  co_return true;
}

}  // namespace latchkey::delivery
