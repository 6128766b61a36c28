#include "delivery/restored_deliveries.h"

#include "delivery/timeline.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kPage = 100;
constexpr std::string_view kGone =
    "Its record was restored, and its document was not there any more: it had been delivered or deleted. Look at the "
    "destination.";

bool mark_gone(store::Delivery& delivery, WallTime now) {
  if (delivery.state == store::DeliveryState::maybe_sent && delivery.why == kGone) return false;
  delivery.state = store::DeliveryState::maybe_sent;
  delivery.finished_at = now;
  delivery.why = kGone;
  note(delivery, now, "maybe_sent", kGone);
  return true;
}

bool mark_in_doubt(store::Delivery& delivery, const RestoredFacts& facts) {
  if (!store::is_in_work(delivery.state) || is_just_restored(delivery)) return false;
  delivery.state = store::DeliveryState::sending;
  note(delivery, facts.now, "restored",
       "From a backup of " + base::to_rfc3339(facts.backup_at) + "; it may have been sent since.");
  return true;
}

}  // namespace

Task<Result<RestoredDeliveries>> mark_restored_deliveries(store::Store& store, RestoredFacts facts) {
  RestoredDeliveries marked;
  for (DeliveryId after;;) {
    const auto page = co_await store.deliveries_after(after, kPage);
    if (!page) co_return std::unexpected(page.error());
    if (page->empty()) co_return marked;
    after = page->back().id;
    store::Batch batch;
    for (auto delivery : *page) {
      if (delivery.state == store::DeliveryState::delivered) continue;
      const bool known_here = !facts.node || delivery.node == *facts.node;
      if (known_here && !facts.has_document(delivery.id)) {
        if (!mark_gone(delivery, facts.now)) continue;
        marked.without_document += 1;
      } else {
        if (facts.nothing_ran_since || !mark_in_doubt(delivery, facts)) continue;
        marked.in_doubt += 1;
      }
      batch.emplace_back(store::PutDelivery{std::move(delivery)});
    }
    if (batch.empty()) continue;
    if (const auto done = co_await store.commit(std::move(batch)); !done) co_return std::unexpected(done.error());
  }
}

}  // namespace latchkey::delivery
