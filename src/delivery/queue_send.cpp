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
// What may open nothing any more waits for a person, who says so.
constexpr Seconds kEndedLookedAt{3600};

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

// Where a delivery goes, by which account, and as which upload. Another server may change it while this one sends.
struct Addressed {
  std::string connector, name, key;
  GrantId grant;
  friend bool operator==(const Addressed&, const Addressed&) = default;
};
Addressed addressed_of(const store::Delivery& delivery) {
  return {.connector = delivery.connector, .name = delivery.name, .key = upload_key_of(delivery), .grant = delivery.grant};
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

// What stands in its way stands in the way of all that go to that connector by that grant.
bool is_of_the_way(const Error& error) { return !is_over(error) && !is_ours(error); }

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
  Marks(Queue& queue, const store::Delivery& delivery, store::ConflictRule rule)
      : queue_(queue), id_(delivery.id), goes_(addressed_of(delivery)), rule_(rule) {}
  Task<Result<void>> note(std::string resume_point, std::uint64_t sent_bytes) override {
    const auto& sealing = queue_.parts_.sealing;
    const auto done = co_await queue_.change(id_, [&sealing, resume_point, sent_bytes, goes = goes_, rule = rule_,
                                                   now = queue_.parts_.wall.now()](store::Delivery& delivery) {
      if (addressed_of(delivery) != goes) return false;
      if (delivery.state == store::DeliveryState::parked) go_on(delivery, now);
      if (delivery.resume_point.empty() && !begun_under(delivery) && sealing.check(delivery)) {
        set_begun_under(delivery, rule);
        sealing.vouch(delivery);
      }
      delivery.resume_point = resume_point;
      delivery.sent_bytes = static_cast<std::int64_t>(sent_bytes);
      return true;
    });
    if (!done) co_return std::unexpected(done.error());
    if (!*done)
      co_return fail(ErrorKind::not_found, "no_such_delivery",
                     "The delivery was deleted, or sent elsewhere, while it was being sent.");
    co_return Result<void>{};
  }

 private:
  Queue& queue_;
  DeliveryId id_;
  Addressed goes_;
  store::ConflictRule rule_;
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
  if (*place != Place::goes)
    co_return Outcome{.reached = Reached::not_asked, .place = *place, .settled = *place == Place::waits_otherwise};
  co_return co_await send_one(std::move(turn));
}

Task<Queue::Outcome> Queue::send_one(Turn turn) {
  const auto id = turn.delivery;
  bool interrupted = false;
  std::optional<WallTime> put_off_to;
  std::optional<store::Delivery> parked;
  const auto begun = co_await change(id, [&interrupted, &put_off_to, &parked, now = parts_.wall.now(), node = parts_.node,
                                          stored = turn.stored](store::Delivery& delivery) {
    parked.reset();
    if (delivery.node != node) return false;
    interrupted = delivery.state == store::DeliveryState::sending;
    put_off_to.reset();
    if (!store::is_in_work(delivery.state) || interrupted) return false;
    // Since it was heard of it may have been put off, or set aside.
    const auto due_at = delivery.due_at == stored ? now : due_of(delivery, now);
    if (due_at > now) {
      put_off_to = due_at;
      return std::exchange(delivery.due_at, due_at) != due_at;
    }
    if (delivery.state == store::DeliveryState::parked) {
      parked = delivery;
      return false;
    }
    note(delivery, now, "sending", delivery.resume_point.empty() ? "" : "Goes on where it stopped.");
    if (delivery.tries == 0) delivery.why.clear();  // that it waited for another
    delivery.due_at = now + kSendingHold;
    delivery.state = store::DeliveryState::sending;
    delivery.tries += 1;
    return true;
  });
  if (!begun) {
    parts_.log.warning("delivery_not_begun", {{"delivery", id.text()}, {"reason", begun.error().reason}});
    co_return Outcome{.again_at = parts_.wall.now() + kAgainAfter};
  }
  if (interrupted) {
    const auto found = co_await parts_.store.delivery(id);
    const auto settled = found && *found ? co_await settle_one(**found) : Result<std::optional<WallTime>>(std::nullopt);
    co_return Outcome{.again_at = settled ? *settled : parts_.wall.now() + kAgainAfter, .settled = settled && !*settled};
  }
  if (parked) co_return co_await look_at(std::move(*parked));
  if (put_off_to || !*begun) co_return Outcome{.again_at = put_off_to};
  auto job = co_await prepare(**begun);
  if (!job) co_return co_await end_badly(**begun, job.error(), {});
  co_return co_await send_prepared(std::move(*job), {});
}

Task<Queue::Outcome> Queue::look_at(store::Delivery delivery) {
  const SharedWay way{.grant = delivery.grant, .connector = delivery.connector};
  if (parked_.is_looked_at_by_another(delivery.id, way))
    co_return Outcome{.reached = Reached::not_asked, .again_at = delivery.due_at, .waits_with = way};
  const Try how{.looked = true};
  auto job = co_await prepare(delivery);
  if (!job) co_return co_await end_badly(std::move(delivery), job.error(), how);
  Tokens tokens(parts_.delegations, delivery);
  if (const auto token = co_await tokens.token(); !token)
    co_return co_await end_badly(std::move(delivery), token.error(), how);
  let_the_others_go(delivery);
  if (!job->connector->abilities().idempotent) {
    // What must not be sent twice is marked as being sent before its first octet leaves.
    const auto marked = co_await change(delivery.id, [now = parts_.wall.now()](store::Delivery& one) {
      if (one.state != store::DeliveryState::parked) return false;
      go_on(one, now);
      return true;
    });
    if (!marked) co_return Outcome{.again_at = parts_.wall.now() + kAgainAfter};
    if (!*marked) co_return Outcome{};
    job->delivery = **marked;
  }
  co_return co_await send_prepared(std::move(*job), how);
}

void Queue::let_the_others_go(const store::Delivery& delivery) {
  const auto others = parked_.open({.grant = delivery.grant, .connector = delivery.connector}, delivery.id);
  for (const auto& other : others) wait_no_longer(other, delivery.connector);
  if (!others.empty()) wake();
}

Task<Queue::Outcome> Queue::send_prepared(Job job, Try how) {
  const auto& delivery = job.delivery;
  auto octets =
      co_await parts_.spool.open(delivery.id, delivery.document_key_sealed, static_cast<std::uint64_t>(delivery.size_bytes));
  if (!octets) co_return co_await end_badly(delivery, octets.error(), how);
  const auto in_use = parts_.delegations.use_of(delivery.grant);
  Tokens tokens(parts_.delegations, delivery);
  Spooled document(**octets, delivery.sha256);
  Marks progress(*this, delivery, job.rule);
  job.order.document = &document;
  job.order.tokens = &tokens;
  job.order.progress = &progress;
  how.idempotent = job.connector->abilities().idempotent;
  how.begun = true;
  const auto receipt = co_await job.connector->store(job.order);
  how.asked = tokens.was_given();
  if (how.asked) let_the_others_go(delivery);
  if (!receipt) co_return co_await end_badly(delivery, receipt.error(), how);
  co_await end_well(delivery, *receipt);
  co_return Outcome{.reached = Reached::yes, .settled = true};
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
    if (const auto taken = check_content_type(types, name, delivery.content_type); !taken)
      co_return std::unexpected(taken.error());
  }
  auto destination = co_await destinations_.find(**connector, delivery.grant);
  if (!destination) co_return std::unexpected(destination.error());
  Job job{.delivery = delivery, .connector = destination->works, .order = {}, .rule = {}};
  job.order.base_url = std::move(destination->base_url);
  job.order.path = delivery.name;
  job.order.content_type = delivery.content_type;
  job.order.fields_json = delivery.fields_json;
  job.order.key = upload_key_of(delivery);
  job.rule = (*connector)->conflict;
  job.order.on_conflict = rule_of(job.rule);
  job.order.resume_point = delivery.resume_point;
  co_return job;
}

Task<void> Queue::end_well(store::Delivery delivery, connectors::Receipt receipt) {
  const auto now = parts_.wall.now();
  bool may_open = true;  // as far as is known: what ended it is rare
  for (int tries = 0;; ++tries) {
    auto found = co_await parts_.store.delivery(delivery.id);
    if (found && !*found) break;  // deleted while its last octets were on their way
    if (found && addressed_of(**found) != addressed_of(delivery)) {
      // Another server has sent it elsewhere at the last moment: there it goes, too, and its sweep finds it.
      (void)co_await change(delivery.id, [now, path = receipt.path, to = delivery.connector](store::Delivery& one) {
        note(one, now, "delivered", "To " + to + ", as " + path + ", before it was sent elsewhere. It goes there, too.");
        return true;
      });
      co_return;
    }
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

Task<Queue::Outcome> Queue::end_badly(store::Delivery delivery, Error error, Try how) {
  using enum store::DeliveryState;
  Outcome outcome{.reached = how.asked ? reached_by(error) : Reached::not_asked, .bars = !is_over(error)};
  // Cut off by stop(): it goes on at the next start. What may not be sent twice keeps the outcome it has.
  if (stopping_ && (how.idempotent || error.kind == ErrorKind::ambiguous)) co_return outcome;
  const auto tuning = parts_.tuning();
  const auto now = parts_.wall.now();
  auto state = failed;
  // A look that asked the destination is a try like others: it is not repeated sooner, whatever it came to.
  const auto tries = delivery.tries + (how.looked && how.asked ? 1 : 0);
  auto due = now + back_off(tries, error.retry_after);
  const auto looked_at_again = now + (is_over(error) ? kEndedLookedAt : tuning.parked_looked_at);
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
      due = how.asked ? std::max(due, looked_at_again) : looked_at_again;
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
  const bool put_off = state == queued && how.looked && !how.asked;
  if (put_off) {
    state = parked;
    due = looked_at_again;
  }
  const bool gives_up = state == queued && !how.looked && age_now() - tried_since(delivery) >= tuning.give_up_after;
  if (gives_up) state = failed;
  // Under its key the destination would refuse it again, whatever a person mends before sending it again.
  const bool refused = state == failed && how.asked && !gives_up;
  if (store::is_in_work(state)) outcome.again_at = due;
  if (state == parked && !how.asked && is_of_the_way(error))
    outcome.waits_with = SharedWay{.grant = delivery.grant, .connector = delivery.connector};
  // A look at what is still as it was.
  if (how.looked && !how.begun && state == parked && (put_off || delivery.why == told(error))) co_return outcome;
  const auto record = [state, due, now, gives_up, tries, refused, goes = addressed_of(delivery), &sealing = parts_.sealing,
                       words = told(error)](store::Delivery& one) {
    if (addressed_of(one) != goes) return false;
    const bool still_parked = state == parked && one.state == parked && one.why == words;
    one.state = state;
    one.tries = tries;
    one.due_at = due;
    one.why = gives_up ? "Given up: " + words : words;
    if (state == failed || state == maybe_sent) one.finished_at = now;
    if (refused && sealing.check(one)) {
      begin_anew(one);
      sealing.vouch(one);
    }
    if (still_parked) return true;  // looked at, and nothing is new
    note(one, now, state == queued ? "retry" : store::name_of(state), one.why);
    return true;
  };
  store::Delivery after;
  for (;;) {
    auto changed = co_await change(delivery.id, record);
    if (changed && !*changed) co_return Outcome{.reached = outcome.reached};  // deleted meanwhile, or sent elsewhere
    if (changed) {
      after = std::move(**changed);
      break;
    }
    parts_.log.error("delivery_not_recorded", changed.error());
    co_await parts_.steady.sleep_for(kAgainAfter);
  }
  if (delivery.state == parked && state == parked) co_return outcome;
  outcome.settled = state != queued;
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
  co_return outcome;
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
