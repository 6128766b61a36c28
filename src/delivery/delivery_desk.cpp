#include "delivery/delivery_desk.h"

#include <algorithm>

#include "delivery/timeline.h"

namespace latchkey::delivery {

namespace {

std::unexpected<Error> being_sent() {
  return fail(ErrorKind::conflict, "being_sent", "The document is being sent at this moment. Look again in a while.");
}

// Between reading and writing the queue, or another person, was faster.
std::unexpected<Error> refusal_of(Error error) {
  if (error.reason == "version") return being_sent();
  if (error.reason == "gone") return fail(ErrorKind::not_found, "no_such_delivery", "There is no such delivery.");
  return std::unexpected(std::move(error));
}

}  // namespace

Task<Result<store::Delivery>> DeliveryDeskOfQueue::at_rest(DeliveryId id) {
  auto found = co_await parts_.store.delivery(id);
  if (!found) co_return std::unexpected(found.error());
  if (!*found) co_return fail(ErrorKind::not_found, "no_such_delivery", "There is no such delivery.");
  if (parts_.queue.is_sending(id) || (*found)->state == store::DeliveryState::sending) {
    co_return being_sent();
  }
  co_return std::move(**found);
}

Task<Result<store::Delivery>> DeliveryDeskOfQueue::retry(DeliveryId id, people::Actor actor) {
  auto delivery = co_await at_rest(id);
  if (!delivery) co_return delivery;
  if (delivery->state == store::DeliveryState::delivered)
    co_return fail(ErrorKind::conflict, "delivered", "The document has been delivered.");
  const auto now = parts_.wall.now();
  // The back-off begins anew, and so does the time for which it is tried.
  delivery->state = store::DeliveryState::queued;
  delivery->tries = 0;
  delivery->due_at = now;
  delivery->finished_at = {};
  delivery->why.clear();
  note(*delivery, now, "retried", "By " + actor.name + ".");
  auto entry =
      people::audit_entry(now, actor, "delivery.retried", delivery->name, delivery->submitter, "to " + delivery->connector);
  const auto done = co_await parts_.store.commit({store::PutDelivery{*delivery}, store::AppendAudit{std::move(entry)}});
  if (!done) co_return refusal_of(done.error());
  delivery->version += 1;
  parts_.queue.offer(*delivery);
  co_return delivery;
}

Task<Result<void>> DeliveryDeskOfQueue::remove(DeliveryId id, people::Actor actor) {
  const auto delivery = co_await at_rest(id);
  if (!delivery) co_return std::unexpected(delivery.error());
  // Written as it was read first: the store refuses where the queue has begun to send it since.
  store::Batch batch{store::PutDelivery{*delivery}, store::DeleteDelivery{id}};
  if (const auto ended = co_await grants::add_end_of_delegation(parts_.store, batch, *delivery); !ended) co_return ended;
  batch.push_back(store::AppendAudit{people::audit_entry(parts_.wall.now(), actor, "delivery.deleted", delivery->name,
                                                         delivery->submitter, "to " + delivery->connector)});
  if (const auto done = co_await parts_.store.commit(std::move(batch)); !done) co_return refusal_of(done.error());
  // The record held the key: what cannot be removed now opens for nobody, and is swept at the next start.
  (void)co_await parts_.spool.remove(id);
  co_return Result<void>{};
}

}  // namespace latchkey::delivery
