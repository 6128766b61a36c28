// What an earlier process left, and what has become old.
#include "delivery/queue.h"
#include "delivery/timeline.h"
#include "people/audit.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kPage = 500;

}  // namespace

// Whoever has the document delivers it: records that name another node (a data directory that moved to another database) are
// taken over.
Task<Result<void>> Queue::settle_spool() {
  const auto documents = co_await parts_.spool.documents();
  if (!documents) co_return std::unexpected(documents.error());
  const auto any = co_await parts_.store.deliveries_after({}, 1);
  if (!any) co_return std::unexpected(any.error());
  if (any->empty() && !documents->empty()) {
    // An empty store beside a full spool is more likely the wrong store than a spool of nothing but beginnings.
    parts_.log.warning("spool_kept",
                       {{"documents", documents->size()},
                        {"why", "The store knows of no delivery at all. Is it the right one? Nothing is removed."}});
    co_return Result<void>{};
  }
  for (const auto& id : *documents) {
    const auto found = co_await parts_.store.delivery(id);
    if (!found) co_return std::unexpected(found.error());
    if (!*found || (*found)->state == store::DeliveryState::delivered) {
      // Never acknowledged, or delivered already.
      if (const auto gone = co_await parts_.spool.remove(id); !gone)
        parts_.log.warning("spool_not_swept", {{"delivery", id.text()}});
      continue;
    }
    if ((*found)->node == parts_.node) continue;
    const auto node = parts_.node;
    const auto taken = co_await change(id, [node](store::Delivery& delivery) {
      delivery.node = node;
      return true;
    });
    if (!taken) co_return std::unexpected(taken.error());
  }
  co_return Result<void>{};
}

// Everything in work, so that its turn can come; what an earlier process was sending first of all is settled.
Task<Result<void>> Queue::take_up() {
  DeliveryId after;
  for (;;) {
    const auto page = co_await parts_.store.deliveries_after(after, kPage);
    if (!page) co_return std::unexpected(page.error());
    if (page->empty()) co_return Result<void>{};
    after = page->back().id;
    for (const auto& delivery : *page) {
      if (delivery.node != parts_.node || !store::is_in_work(delivery.state)) continue;
      auto due_at = std::optional(delivery.due_at);
      if (delivery.state == store::DeliveryState::sending) {
        const auto settled = co_await settle_one(delivery);
        if (!settled) co_return std::unexpected(settled.error());
        due_at = *settled;
      }
      if (due_at) turns_.wait(delivery.id, delivery.connector, *due_at);
    }
  }
}

// Nobody saw the end of it: the process died, or had to drop it.
Task<Result<std::optional<WallTime>>> Queue::settle_one(store::Delivery delivery) {
  const auto may = co_await may_go_on(delivery);
  if (!may) co_return std::unexpected(may.error());
  const auto now = parts_.wall.now();
  const auto done = co_await change(delivery.id, [now, goes_on = *may](store::Delivery& one) {
    if (one.state != store::DeliveryState::sending) return false;
    one.due_at = now;
    if (goes_on) {
      one.state = store::DeliveryState::queued;
      note(one, now, "retry", "The server was restarted while it was being sent; it goes on where it stopped.");
      return true;
    }
    one.state = store::DeliveryState::maybe_sent;
    one.finished_at = now;
    one.why = "The server was stopped while it was being sent, and the destination cannot be asked whether it has it.";
    note(one, now, "maybe_sent", one.why);
    return true;
  });
  if (!done) co_return std::unexpected(done.error());
  if (*may) co_return std::optional(now);
  parts_.counters.maybe_sent += 1;
  co_return std::optional<WallTime>();
}

// A connector that is no more, or of a type nothing is delivered to, sends nothing: what becomes of the document then, the
// next try says.
Task<Result<bool>> Queue::may_go_on(store::Delivery delivery) {
  const auto connector = co_await parts_.store.connector(delivery.connector);
  if (!connector) co_return std::unexpected(connector.error());
  if (!*connector) co_return true;
  const auto* works = destinations_.works_for((*connector)->type);
  co_return works == nullptr || works->abilities().idempotent;
}

// Records of what was delivered; documents nobody has decided about, where the settings say for how long they wait for that.
Task<bool> Queue::forget_old() {
  const auto tuning = parts_.tuning();
  const auto now = parts_.wall.now();
  const auto is_old = [&](const store::Delivery& one) {
    using enum store::DeliveryState;
    const auto older = [now](WallTime since, Seconds kept) { return kept > Seconds(0) && since + kept < now; };
    switch (one.state) {
      case delivered:
        return older(one.finished_at, tuning.keep_records);
      case failed:
      case maybe_sent:
        return older(one.finished_at, tuning.keep_failed);
      case parked:
        return older(tried_since(one), tuning.keep_parked);
      case queued:
      case sending:
        return false;
    }
    return false;
  };
  bool whole = true;
  DeliveryId after;
  for (;;) {
    const auto page = co_await parts_.store.deliveries_after(after, kPage);
    if (!page) co_return false;
    if (page->empty()) co_return whole;
    after = page->back().id;
    for (const auto& delivery : *page) {
      if (!is_old(delivery)) continue;
      const bool gone = !turns_.is_under_way(delivery.id) && co_await forget(delivery);
      whole = whole && gone;
    }
  }
}

Task<bool> Queue::forget(store::Delivery delivery) {
  store::Batch batch{store::PutDelivery{delivery}, store::DeleteDelivery{delivery.id}};  // as it was read, or not at all
  const bool had_document = delivery.state != store::DeliveryState::delivered;
  auto done = co_await grants::add_end_of_delegation(parts_.store, batch, delivery);
  if (had_document) {
    batch.push_back(
        store::AppendAudit{people::audit_entry(parts_.wall.now(), {.name = "latchkey", .source = {}}, "delivery.expired",
                                               delivery.name, delivery.submitter, "to " + delivery.connector)});
  }
  if (done) done = co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping);
  if (!done) {
    parts_.log.warning("old_delivery_not_forgotten", {{"delivery", delivery.id.text()}, {"reason", done.error().reason}});
    co_return false;
  }
  if (!had_document) co_return true;
  parts_.log.warning("document_expired", {{"delivery", delivery.id.text()}, {"connector", delivery.connector}});
  if (const auto gone = co_await parts_.spool.remove(delivery.id); !gone)
    parts_.log.warning("spool_not_swept", {{"delivery", delivery.id.text()}});
  co_return true;
}

}  // namespace latchkey::delivery
