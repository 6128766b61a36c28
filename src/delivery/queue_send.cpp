// One delivery: what it needs, the connector's work, and what becomes of it.
#include <algorithm>

#include "delivery/document_types.h"
#include "delivery/kept_fields.h"
#include "delivery/queue.h"
#include "delivery/timeline.h"

namespace latchkey::delivery {
namespace {

constexpr Seconds kTokenMinValid{120};
// A delivery being sent is nobody else's for so long; at a start it is due at once.
constexpr std::chrono::hours kSendingHold{6};
constexpr int kChangesMax = 20;
// A store that refuses what has become of a delivery is asked again: nothing else may happen to it before.
constexpr Seconds kAgainAfter{5};

connectors::OnConflict rule_of(store::ConflictRule rule) {
  switch (rule) {
    case store::ConflictRule::rename:
      return connectors::OnConflict::rename;
    case store::ConflictRule::replace:
      return connectors::OnConflict::replace;
    case store::ConflictRule::new_version:
      return connectors::OnConflict::new_version;
    case store::ConflictRule::refuse:
      return connectors::OnConflict::refuse;
  }
  return connectors::OnConflict::rename;
}

// Of this server's store or disk, not of the destination.
bool is_ours(const Error& error) {
  return error.kind == ErrorKind::bug || error.reason.starts_with("store_") || error.reason.starts_with("spool_") ||
         error.reason == "commit_ambiguous";
}

// What the submitter may read: the store's and the disk's own words name hosts, users and folders.
std::string told(const Error& error) {
  const bool hidden = error.kind == ErrorKind::corrupt || is_ours(error);
  return hidden ? "The server could not read what it has of this document; its log says more." : error.text;
}

// What had been parked is under way again.
void go_on(store::Delivery& delivery, WallTime now) {
  delivery.state = store::DeliveryState::sending;
  delivery.due_at = now + kSendingHold;
  delivery.why.clear();
  note(delivery, now, "sending", "What stood in the way is gone.");
}

// Nothing but a person brings a document with that to its destination: it holds up no other of its name.
bool is_over(const Error& error) { return error.reason == "delegation_ended"; }

// Whether the destination was there for a try that ended so.
Reached reached_by(const Error& error) {
  switch (error.kind) {
    case ErrorKind::unavailable:
    case ErrorKind::ambiguous:
      return is_ours(error) ? Reached::unknown : Reached::no;
    case ErrorKind::needs_person:
    case ErrorKind::misconfigured:
    case ErrorKind::corrupt:
    case ErrorKind::bug:
      return Reached::unknown;
    case ErrorKind::invalid:
    case ErrorKind::refused:
    case ErrorKind::not_found:
    case ErrorKind::conflict:
      return Reached::yes;
  }
  return Reached::unknown;
}

}  // namespace

// The delivery's own delegation as a source of tokens.
class Queue::Tokens final : public connectors::TokenSource {
 public:
  Tokens(grants::Delegations& delegations, store::Delivery delivery)
      : delegations_(delegations), delivery_(std::move(delivery)) {}

  Task<Result<Secret>> token() override { co_return keep(co_await delegations_.token(delivery_, kTokenMinValid)); }
  Task<Result<Secret>> another_token() override {
    co_return keep(co_await delegations_.token_after(delivery_, generation_));
  }

  // Without a token nobody is asked anything.
  [[nodiscard]] bool was_given() const { return was_given_; }

 private:
  Result<Secret> keep(Result<grants::DeliveryToken> got) {
    if (!got) return std::unexpected(got.error());
    generation_ = got->generation;
    was_given_ = true;
    return std::move(got->access_token);
  }

  grants::Delegations& delegations_;
  store::Delivery delivery_;
  store::GenerationNumber generation_ = 0;
  bool was_given_ = false;
};

class Queue::Spooled final : public connectors::Document {
 public:
  Spooled(OutgoingDocument& document, Bytes sha256) : document_(document), sha256_(std::move(sha256)) {}
  std::uint64_t size_bytes() const override { return document_.size_bytes(); }
  const Bytes& sha256() const override { return sha256_; }
  Task<Result<Secret>> read(std::uint64_t offset, std::size_t size_bytes) override {
    return document_.read(offset, size_bytes);
  }

 private:
  OutgoingDocument& document_;
  Bytes sha256_;
};

class Queue::Marks final : public connectors::Progress {
 public:
  Marks(Queue& queue, DeliveryId id) : queue_(queue), id_(id) {}
  Task<Result<void>> note(std::string resume_point, std::uint64_t sent_bytes) override {
    const auto done =
        co_await queue_.change(id_, [resume_point, sent_bytes, now = queue_.parts_.wall.now()](store::Delivery& delivery) {
          if (delivery.state == store::DeliveryState::parked) go_on(delivery, now);
          delivery.resume_point = resume_point;
          delivery.sent_bytes = static_cast<std::int64_t>(sent_bytes);
          return true;
        });
    if (!done) co_return std::unexpected(done.error());
    if (!*done)
      co_return fail(ErrorKind::not_found, "no_such_delivery", "The delivery was deleted while it was being sent.");
    co_return Result<void>{};
  }

 private:
  Queue& queue_;
  DeliveryId id_;
};

Task<Result<std::optional<store::Delivery>>> Queue::change(DeliveryId id, Change what) {
  for (int tries = 0;; ++tries) {
    auto found = co_await parts_.store.delivery(id);
    if (!found) co_return std::unexpected(found.error());
    if (!*found) co_return std::optional<store::Delivery>();
    auto delivery = std::move(**found);
    if (!what(delivery)) co_return std::optional<store::Delivery>();
    const auto done = co_await parts_.store.commit({store::PutDelivery{delivery}});
    if (done) {
      delivery.version += 1;
      co_return std::optional(std::move(delivery));
    }
    if (done.error().reason != "version" || tries >= kChangesMax) co_return std::unexpected(done.error());
  }
}

Task<Queue::Outcome> Queue::take_turn(Turn turn) {
  const auto place = co_await place_of(turn);
  if (!place) {
    parts_.log.warning("delivery_not_begun", {{"delivery", turn.delivery.text()}, {"reason", place.error().reason}});
    co_return Outcome{.reached = Reached::not_asked, .again_at = parts_.wall.now() + kAgainAfter};
  }
  if (*place != Place::goes) co_return Outcome{.reached = Reached::not_asked, .place = *place};
  co_return co_await send_one(turn.delivery);
}

Task<Queue::Outcome> Queue::send_one(DeliveryId id) {
  bool interrupted = false;
  std::optional<WallTime> put_off_to;
  const auto begun = co_await change(id, [&interrupted, &put_off_to, now = parts_.wall.now(), node = parts_.node,
                                          looked_at = parts_.tuning().parked_looked_at](store::Delivery& delivery) {
    if (delivery.node != node) return false;
    interrupted = delivery.state == store::DeliveryState::sending;
    // Since it was heard of it may have been put off, or set aside.
    put_off_to = store::is_in_work(delivery.state) && delivery.due_at > now ? std::optional(delivery.due_at) : std::nullopt;
    if (!store::is_in_work(delivery.state) || interrupted || put_off_to) return false;
    // A parked one is only looked at: it counts as parked until its account opens again.
    delivery.due_at = now + looked_at;
    if (delivery.state == store::DeliveryState::queued) {
      note(delivery, now, "sending", delivery.resume_point.empty() ? "" : "Goes on where it stopped.");
      if (delivery.tries == 0) delivery.why.clear();  // that it waited for another
      delivery.due_at = now + kSendingHold;
      delivery.state = store::DeliveryState::sending;
      delivery.tries += 1;
    }
    return true;
  });
  if (!begun) {
    parts_.log.warning("delivery_not_begun", {{"delivery", id.text()}, {"reason", begun.error().reason}});
    co_return Outcome{.again_at = parts_.wall.now() + kAgainAfter};
  }
  if (interrupted) {
    const auto found = co_await parts_.store.delivery(id);
    const auto settled = found && *found ? co_await settle_one(**found) : Result<std::optional<WallTime>>(std::nullopt);
    co_return Outcome{.again_at = settled ? *settled : parts_.wall.now() + kAgainAfter};
  }
  if (!*begun) co_return Outcome{.again_at = put_off_to};
  auto job = co_await prepare(**begun);
  Try how{.idempotent = true, .asked = false, .looked = (*begun)->state == store::DeliveryState::parked};
  if (!job) co_return Outcome{.reached = Reached::not_asked, .again_at = co_await end_badly(**begun, job.error(), how)};
  Tokens tokens(parts_.delegations, job->delivery);
  Spooled document(*job->document, job->delivery.sha256);
  Marks progress(*this, id);
  job->order.document = &document;
  job->order.tokens = &tokens;
  job->order.progress = &progress;
  how.idempotent = job->connector->abilities().idempotent;
  if (!how.idempotent && job->delivery.state == store::DeliveryState::parked) {
    // What must not be sent twice is marked as being sent before its first octet leaves.
    if (const auto token = co_await tokens.token(); !token) {
      co_return Outcome{.reached = Reached::not_asked,
                        .again_at = co_await end_badly(job->delivery, token.error(), how),
                        .bars = !is_over(token.error())};
    }
    const auto marked = co_await change(id, [now = parts_.wall.now()](store::Delivery& delivery) {
      if (delivery.state != store::DeliveryState::parked) return false;
      go_on(delivery, now);
      return true;
    });
    if (!marked) co_return Outcome{.again_at = parts_.wall.now() + kAgainAfter};
    if (!*marked) co_return Outcome{};
    job->delivery = **marked;
  }
  const auto receipt = co_await job->connector->store(job->order);
  if (receipt) {
    co_await end_well(job->delivery, *receipt);
    co_return Outcome{.reached = Reached::yes};
  }
  how.asked = tokens.was_given();
  const auto again_at = co_await end_badly(job->delivery, receipt.error(), how);
  co_return Outcome{.reached = how.asked ? reached_by(receipt.error()) : Reached::not_asked,
                    .again_at = again_at,
                    .bars = !is_over(receipt.error())};
}

Task<Result<Queue::Job>> Queue::prepare(store::Delivery delivery) {
  if (const auto sound = parts_.sealing.check(delivery); !sound) co_return std::unexpected(sound.error());
  const auto connector = co_await parts_.store.connector(delivery.connector);
  if (!connector) co_return std::unexpected(connector.error());
  if (!*connector)
    co_return fail(ErrorKind::refused, "no_such_connector",
                   "The connector was deleted. Reroute the document, or send it again.");
  if (const auto sound = parts_.sealing.check(**connector); !sound) co_return std::unexpected(sound.error());
  if (!(*connector)->enabled)
    co_return fail(ErrorKind::needs_person, "connector_disabled", "The connector is switched off.");
  if (awaits_type(delivery)) {
    const auto types = content_types_of(**connector);
    const auto name = delivery.name.substr(delivery.name.rfind('/') + 1);
    if (const auto taken = check_content_type(types, name, delivery.content_type); !taken) co_return std::unexpected(taken.error());
  }
  auto destination = co_await destinations_.find(**connector, delivery.grant);
  if (!destination) co_return std::unexpected(destination.error());
  auto document =
      co_await parts_.spool.open(delivery.id, delivery.document_key_sealed, static_cast<std::uint64_t>(delivery.size_bytes));
  if (!document) co_return std::unexpected(document.error());
  Job job{.delivery = delivery, .connector = destination->works, .order = {}, .document = std::move(*document)};
  job.order.base_url = std::move(destination->base_url);
  job.order.path = delivery.name;
  job.order.content_type = delivery.content_type;
  job.order.fields_json = delivery.fields_json;
  job.order.key = delivery.id.text();
  job.order.on_conflict = rule_of((*connector)->conflict);
  job.order.resume_point = delivery.resume_point;
  co_return job;
}

Task<void> Queue::end_well(store::Delivery delivery, connectors::Receipt receipt) {
  const auto now = parts_.wall.now();
  bool may_open = true;  // as far as is known: what ended it is rare
  for (int tries = 0;; ++tries) {
    auto found = co_await parts_.store.delivery(delivery.id);
    if (found && !*found) break;  // deleted while its last octets were on their way
    Result<void> done = found ? Result<void>{} : std::unexpected(found.error());
    if (found) {
      auto& one = **found;
      one.state = store::DeliveryState::delivered;
      one.finished_at = now;
      one.sent_bytes = one.size_bytes;
      one.why.clear();
      one.resume_point.clear();
      one.receipt_json = receipt_json(receipt, now);
      // Nothing opens any more: neither the document's file nor the grant.
      one.document_key_sealed.clear();
      one.private_key_sealed.clear();
      note(
          one, now, "delivered",
          receipt.proof == connectors::Proof::hash ? "The destination has it; its hash agrees." : "The destination has it.");
      store::Batch batch{store::PutDelivery{one}};
      if (may_open) batch.push_back(grants::end_of_delegation(one));
      done = co_await parts_.store.commit(std::move(batch));
    }
    if (done) break;
    if (done.error().reason == "gone" && done.error().field == "wrap" && std::exchange(may_open, false)) continue;
    if (done.error().reason == "version" && tries < kChangesMax) continue;
    // The destination has it and the store will not be told yet. Cut off meanwhile, the upload's key says so again.
    parts_.log.error("delivery_not_recorded", done.error());
    co_await parts_.steady.sleep_for(kAgainAfter);
  }
  parts_.counters.delivered += 1;
  parts_.counters.delivered_bytes += delivery.size_bytes;
  if (const auto gone = co_await parts_.spool.remove(delivery.id); !gone)
    parts_.log.warning("spool_not_swept", {{"delivery", delivery.id.text()}});
  parts_.log.info("delivered",
                  {{"delivery", delivery.id.text()}, {"connector", delivery.connector}, {"bytes", delivery.size_bytes}});
}

Task<std::optional<WallTime>> Queue::end_badly(store::Delivery delivery, Error error, Try how) {
  using enum store::DeliveryState;
  // Cut off by stop(): it goes on at the next start. What may not be sent twice keeps the outcome it has.
  if (stopping_ && (how.idempotent || error.kind == ErrorKind::ambiguous)) co_return std::nullopt;
  const auto tuning = parts_.tuning();
  const auto now = parts_.wall.now();
  auto state = failed;
  // A look that asked the destination is a try like others: it is not repeated sooner, whatever it came to.
  const auto tries = delivery.tries + (how.looked && how.asked ? 1 : 0);
  auto due = now + back_off(tries, error.retry_after);
  switch (error.kind) {
    case ErrorKind::ambiguous:
      state = how.idempotent ? queued : maybe_sent;
      break;
    case ErrorKind::unavailable:
      state = queued;
      break;
    case ErrorKind::needs_person:
    case ErrorKind::misconfigured:
      state = parked;
      due = how.asked ? std::max(due, now + tuning.parked_looked_at) : now + tuning.parked_looked_at;
      break;
    case ErrorKind::invalid:
    case ErrorKind::refused:
    case ErrorKind::not_found:
    case ErrorKind::conflict:
    case ErrorKind::corrupt:
    case ErrorKind::bug:
      break;
  }
  // What waits for a person goes on waiting, whatever stands in the way of a look; but what the destination was asked for
  // has its account again, and is tried anew from now on.
  if (state == queued && how.looked && !how.asked) {
    state = parked;
    due = now + tuning.parked_looked_at;
  }
  const bool gives_up = state == queued && !how.looked && now - tried_since(delivery) >= tuning.give_up_after;
  if (gives_up) state = failed;
  const auto record = [state, due, now, gives_up, tries, words = told(error)](store::Delivery& one) {
    const bool still_parked = state == parked && one.state == parked && one.why == words;
    one.state = state;
    one.tries = tries;
    one.due_at = due;
    one.why = gives_up ? "Given up: " + words : words;
    if (state == failed || state == maybe_sent) one.finished_at = now;
    if (still_parked) return true;  // looked at, and nothing is new
    note(one, now, state == queued ? "retry" : store::name_of(state), one.why);
    return true;
  };
  store::Delivery after;
  for (;;) {
    auto changed = co_await change(delivery.id, record);
    if (changed && !*changed) co_return std::nullopt;  // deleted meanwhile
    if (changed) {
      after = std::move(**changed);
      break;
    }
    parts_.log.error("delivery_not_recorded", changed.error());
    co_await parts_.steady.sleep_for(kAgainAfter);
  }
  const auto again_at = store::is_in_work(state) ? std::optional(due) : std::nullopt;
  if (delivery.state == parked && state == parked) co_return again_at;
  switch (state) {
    case queued:
      parts_.counters.retried += 1;
      break;
    case parked:
      parts_.counters.parked += 1;
      break;
    case maybe_sent:
      parts_.counters.maybe_sent += 1;
      break;
    case failed:
      parts_.counters.failed += 1;
      break;
    case sending:
    case delivered:
      break;
  }
  if (state != queued && parts_.tell_owner) tasks_.spawn("letter to an owner", parts_.tell_owner(std::move(after)));
  parts_.log.warning("not_delivered", {{"delivery", delivery.id.text()},
                                       {"connector", delivery.connector},
                                       {"state", store::name_of(state)},
                                       {"reason", error.reason},
                                       {"detail", error.detail}});
  co_return again_at;
}

Seconds Queue::back_off(std::int32_t tries, std::optional<Seconds> asked_for) {
  const auto tuning = parts_.tuning();
  const auto doublings = std::clamp(tries - 1, 0, 20);
  const auto plain = std::min<std::int64_t>(tuning.back_off_max.count(), tuning.back_off_first.count() << doublings);
  // A fifth of it either way, so that what failed together does not come back together.
  const auto fifth = std::max<std::int64_t>(plain / 5, 0);
  const auto jittered =
      plain - fifth + static_cast<std::int64_t>(parts_.entropy.below(static_cast<std::uint64_t>(2 * fifth + 1)));
  return std::max(Seconds(std::max<std::int64_t>(jittered, 1)), asked_for.value_or(Seconds(0)));
}

// One alert for all that wait for a person: which, the page Deliveries says.
Task<void> Queue::tell_people() {
  const auto states = co_await parts_.store.delivery_states();
  if (!states) co_return;
  std::int64_t parked = 0, failed = 0, doubtful = 0;
  for (const auto& counted : *states) {
    if (counted.state == store::DeliveryState::parked) parked = counted.count;
    if (counted.state == store::DeliveryState::failed) failed = counted.count;
    if (counted.state == store::DeliveryState::maybe_sent) doubtful = counted.count;
  }
  const auto tell = [this](const char* cause, std::int64_t count, const std::string& words) {
    if (count > 0) {
      parts_.alerts.raise(cause, words, count);
    } else {
      parts_.alerts.clear(cause);
    }
  };
  tell("deliveries_parked", parked,
       "An account must be authorised again, or a destination needs a person. The documents go by themselves once "
       "that is done.");
  tell("deliveries_failed", failed,
       "Documents were refused by their destination, or could not be sent in time. Retry or delete them.");
  tell("deliveries_doubtful", doubtful,
       "Documents were sent, and the destination did not say whether it has them. Look there, then retry or delete.");
}

}  // namespace latchkey::delivery
