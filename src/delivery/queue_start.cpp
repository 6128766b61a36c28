// What an earlier process left, and what has become old.
#include "delivery/other_nodes.h"
#include "delivery/queue.h"
#include "delivery/timeline.h"
#include "people/audit.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kPage = 500;
// So long a person has been told of a document that no record knows.
constexpr std::chrono::days kStraysKept{30};
// After which others forget the records of a server that does not.
constexpr Seconds kStandsInAfter{24LL * 60 * 60};

// What becomes of an upload whose end nobody saw: the process died, or the store is older than the sending.
struct Ending {
  std::string goes_on;
  std::string in_doubt;
};
Ending ending_of(const store::Delivery& delivery) {
  if (!is_just_restored(delivery)) {
    return {.goes_on = "The server was restarted while it was being sent; it goes on where it stopped.",
            .in_doubt =
                "The server was stopped while it was being sent, and the destination cannot be asked whether it has it."};
  }
  return {
      .goes_on = "It may have been sent since the backup; the destination can tell, and takes it once.",
      .in_doubt =
          "It was restored from a backup and may have been sent since; the destination cannot be asked whether it has it."};
}

}  // namespace

// Whoever has the document delivers it: records that name another node (a data directory that moved to another database) are
// taken over. What the store does not know at all stays on this disk, aside: it is perhaps not the store that knows it.
Task<Result<void>> Queue::settle_spool() {
  if (const auto removed = co_await remove_deleted_elsewhere(); !removed) co_return removed;
  if (const auto back = co_await take_back_strays(); !back) co_return back;
  const auto documents = co_await parts_.spool.documents();
  if (!documents) co_return std::unexpected(documents.error());
  std::vector<DeliveryId> unknown;
  for (const auto& id : *documents) {
    const auto known = co_await settle_document(id);
    if (!known) co_return std::unexpected(known.error());
    if (!*known) unknown.push_back(id);
  }
  const auto aside = co_await parts_.spool.settle_strays(unknown, parts_.wall.now());
  if (!aside) {
    parts_.log.error("spool_not_swept", aside.error());
    co_return Result<void>{};
  }
  if (*aside > 0) {
    parts_.log.error(
        "documents_unknown",
        {{"documents", *aside},
         {"directory", parts_.spool.strays_directory()},
         {"why", "The store knows nothing of them. Is it the right one? A store that knows them takes them back."}});
  }
  if (*aside < unknown.size()) parts_.log.info("spool_swept", {{"unfinished", unknown.size() - *aside}});
  co_return Result<void>{};
}

Task<Result<void>> Queue::remove_deleted_elsewhere() {
  auto deleted = co_await deleted_elsewhere(parts_.store, parts_.node);
  if (!deleted) co_return std::unexpected(deleted.error());
  if (deleted->read_as.empty()) co_return Result<void>{};
  for (const auto& id : deleted->deliveries) {
    const auto found = co_await parts_.store.delivery(id);
    if (!found) co_return std::unexpected(found.error());
    if (*found) continue;  // it is back, from a backup
    if (const auto gone = co_await parts_.spool.remove(id); !gone) co_return gone;
    withdraw(id);
  }
  auto done = co_await forget_deleted_elsewhere(parts_.store, parts_.node, std::move(*deleted));
  if (!done && done.error().reason == "meta") done = {};  // more to delete: next time
  co_return done;
}

Task<Result<void>> Queue::take_back_strays() {
  const auto strays = co_await parts_.spool.strays();
  if (!strays) co_return std::unexpected(strays.error());
  std::vector<StrayDocument> known;
  for (const auto& stray : *strays) {
    const auto found = co_await parts_.store.delivery(stray.id);
    if (!found) co_return std::unexpected(found.error());
    if (*found) known.push_back(stray);
  }
  strays_ = true;  // until looked at again
  if (known.empty()) co_return Result<void>{};
  parts_.log.info("documents_taken_back", {{"documents", known.size()}});
  co_return co_await parts_.spool.take_back(std::move(known));
}

Task<Result<bool>> Queue::settle_document(DeliveryId id) {
  const auto found = co_await parts_.store.delivery(id);
  if (!found) co_return std::unexpected(found.error());
  if (!*found) co_return false;
  if ((*found)->state == store::DeliveryState::delivered) {
    if (const auto gone = co_await parts_.spool.remove(id); !gone)
      parts_.log.warning("spool_not_swept", {{"delivery", id.text()}});
    co_return true;
  }
  const auto node = parts_.node;
  if ((*found)->node == node) co_return true;
  const auto taken = co_await change(id, [node](store::Delivery& delivery) {
    delivery.node = node;
    return true;
  });
  if (!taken) co_return std::unexpected(taken.error());
  co_return true;
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
      } else if (const auto due = due_of(delivery, parts_.wall.now()); due != delivery.due_at) {
        due_at = due;
        const auto mended = co_await change(delivery.id, [due](store::Delivery& one) {
          one.due_at = due;
          return true;
        });
        if (!mended) co_return std::unexpected(mended.error());
      }
      if (due_at) line_up(delivery, *due_at);
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
    auto ending = ending_of(one);
    if (goes_on) {
      one.state = store::DeliveryState::queued;
      note(one, now, "retry", ending.goes_on);
      return true;
    }
    one.state = store::DeliveryState::maybe_sent;
    one.finished_at = now;
    one.why = std::move(ending.in_doubt);
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
  const auto now = age_now();
  const auto is_old = [&](const store::Delivery& one, Seconds more) {
    using enum store::DeliveryState;
    const auto older = [now, more](WallTime since, Seconds kept) { return kept > Seconds(0) && since + kept + more < now; };
    switch (one.state) {
      case delivered:
        return older(one.finished_at, tuning.keep_records);
      case failed:
      case maybe_sent:
        return older(one.finished_at, tuning.keep_failed);
      case parked:
        return older(parked_since(one).value_or(now), tuning.keep_parked);
      case queued:
      case sending:
        return false;
    }
    return false;
  };
  const auto others = co_await other_nodes(parts_.store, parts_.node);
  if (!others) co_return false;
  bool whole = true;
  DeliveryId after;
  for (;;) {
    const auto page = co_await parts_.store.deliveries_after(after, kPage);
    if (!page) co_return false;
    if (page->empty()) co_return whole;
    after = page->back().id;
    for (const auto& delivery : *page) {
      const bool is_anothers = others->contains(delivery.node);
      const bool is_for_others = is_anothers && !delivery.document_key_sealed.empty();
      if (is_for_others || !is_old(delivery, is_anothers ? kStandsInAfter : Seconds(0))) continue;
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
  if (!done && done.error().kind == ErrorKind::conflict) co_return false;  // somebody else was there first: the next look says how it is
  if (!done) {
    parts_.log.warning("old_delivery_not_forgotten", {{"delivery", delivery.id.text()}, {"reason", done.error().reason}});
    co_return false;
  }
  withdraw(delivery.id);
  if (!had_document) co_return true;
  parts_.log.warning("document_expired", {{"delivery", delivery.id.text()}, {"connector", delivery.connector}});
  if (const auto gone = co_await parts_.spool.remove(delivery.id); !gone)
    parts_.log.warning("spool_not_swept", {{"delivery", delivery.id.text()}});
  co_return true;
}

Task<Result<void>> Queue::set_age_clock() {
  const auto kept = co_await parts_.store.meta(std::string(kAgeClockMeta));
  if (!kept) co_return std::unexpected(kept.error());
  age_.emplace(base::from_rfc3339(base::as_text(*kept)), parts_.wall.now(), parts_.steady.now());
  co_return Result<void>{};
}

Task<void> Queue::keep_age_clock() {
  (void)age_now();
  store::Batch batch{store::PutMeta{std::string(kAgeClockMeta), base::to_bytes(base::to_rfc3339(age_->at()))}};
  const auto done = co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping);
  if (!done) parts_.log.warning("age_clock_not_kept", {{"reason", done.error().reason}});
}

Task<void> Queue::forget_strays() {
  if (!strays_) co_return;
  const auto removed = co_await parts_.spool.remove_strays_found_before(age_now() - kStraysKept);
  if (!removed) {
    parts_.log.warning("spool_not_swept",
                       {{"directory", parts_.spool.strays_directory()}, {"reason", removed.error().reason}});
  } else if (*removed > 0) {
    parts_.log.warning("unknown_documents_expired", {{"documents", *removed}});
  }
}

Task<void> Queue::tell_of_strays() {
  if (!strays_) co_return;
  const auto strays = co_await parts_.spool.strays();
  if (!strays) co_return;
  strays_ = !strays->empty();
  if (!strays_) {
    parts_.alerts.clear("documents_unknown");
    co_return;
  }
  parts_.alerts.raise("documents_unknown",
                      "Documents that the database knows nothing of were found and lie in " +
                          parts_.spool.strays_directory() +
                          ". If another database was in use before (it was restored, or the configuration names the wrong "
                          "one), starting with that one "
                          "takes them back. If not, delete them. They are kept for 30 days.",
                      static_cast<std::int64_t>(strays->size()));
}

}  // namespace latchkey::delivery
