#include "delivery/queue.h"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace latchkey::delivery {
namespace {

constexpr std::size_t kSweptAtOnce = 500;
constexpr Seconds kLookEvery{5};
constexpr Seconds kSweepEvery{60};
constexpr Seconds kForgetEvery{3600};
constexpr Seconds kTellEvery{15};
constexpr Seconds kKeepAgeEvery{600};
constexpr Seconds kSettledAfter{5};

}  // namespace

Queue::Queue(Parts parts)
    : parts_(std::move(parts)),
      destinations_(
          {.store = parts_.store, .clients = parts_.clients, .sealing = parts_.sealing, .connectors = parts_.connectors}),
      tasks_(parts_.executor, parts_.log),
      wake_(parts_.executor),
      settled_(parts_.executor) {}
Queue::~Queue() = default;

Task<Result<void>> Queue::start() {
  if (const auto done = co_await set_age_clock(); !done) co_return done;
  if (const auto done = co_await settle_spool(); !done) co_return done;
  if (const auto done = co_await take_up(); !done) co_return done;
  tasks_.spawn("delivery queue", run());
  co_return Result<void>{};
}

Task<void> Queue::stop() {
  stopping_ = true;
  wake_.notify_all();
  settled_.notify_all();
  parts_.cut();
  co_await tasks_.cancel_and_wait();
  if (age_) co_await keep_age_clock();  // the time it has run counts
}

void Queue::wake() {
  nudged_ = true;
  wake_.notify_all();
}

void Queue::wait(DeliveryId id, const std::string& connector, WallTime due_at) {
  turns_.wait(id, connector, due_times_.steady_of(due_at, parts_.wall.now(), parts_.steady.now()), due_at);
}

void Queue::wait_no_longer(DeliveryId id, const std::string& connector) { turns_.wait(id, connector, parts_.steady.now()); }

WallTime Queue::age_now() {
  const auto wall = parts_.wall.now();
  return age_ ? age_->now(wall, parts_.steady.now()) : wall;
}

void Queue::offer(const store::Delivery& delivery) {
  if (delivery.node != parts_.node) return;  // its document lies at another node, which finds it by its sweep
  boost::asio::post(parts_.executor, [this, id = delivery.id, connector = delivery.connector, due_at = delivery.due_at,
                                      target = target_of(delivery), since = named_since(delivery)] {
    look_for_the_others(parked_.leave(id));
    order_.enter(id, connector, target, since);
    wait(id, connector, due_at);
    give_turns();
    wake();
  });
}

void Queue::withdraw(DeliveryId id) {
  boost::asio::post(parts_.executor, [this, id] {
    look_for_the_others(parked_.leave(id));
    order_.leave(id);
    give_turns();
    wake();
  });
}

Task<void> Queue::run() {
  while (!stopping_) {
    nudged_ = false;
    const auto now = parts_.steady.now();
    begin_due();
    if (now >= sweep_again_at_) {
      sweep_again_at_ = now + kSweepEvery;
      co_await sweep();
    }
    if (now >= keep_age_again_at_) {
      keep_age_again_at_ = now + kKeepAgeEvery;
      co_await keep_age_clock();
    }
    if (now >= forget_again_at_) {
      forget_again_at_ = now + kForgetEvery;
      // Beside what is sent: after a shorter setting there may be very many.
      if (!std::exchange(forgetting_, true)) tasks_.spawn("old deliveries", forget_in_turn());
    }
    if (now >= tell_again_at_) {
      tell_again_at_ = now + kTellEvery;
      co_await tell_people();
      if (!forgetting_) co_await tell_of_strays();  // else it is about to
    }
    if (!stopping_ && !nudged_) co_await wake_.wait_for(parts_.steady, rest_after(now));
  }
}

void Queue::begin_due() {
  const auto pace = parts_.tuning().pace;
  while (!stopping_) {
    auto turn = turns_.next(parts_.steady.now(), pace);
    if (!turn) return;
    tasks_.spawn("delivery", send(std::move(*turn)));
  }
}

Task<void> Queue::forget_in_turn() {
  co_await forget_strays();
  co_await tell_of_strays();
  // A parked one is tried twice a minute, so that a look an hour could miss it for ever.
  if (!co_await forget_old()) forget_again_at_ = parts_.steady.now() + kLookEvery;
  forgetting_ = false;
}

// Until the next one is due of those that were not at the last look, some of which may be by now: what this loop did since took its time.
// What may begin for other reasons (a limit a minute) is looked at every few seconds.
std::chrono::nanoseconds Queue::rest_after(SteadyTime looked_at) const {
  const auto due_at = turns_.next_due(looked_at);
  if (!due_at) return kLookEvery;
  return std::clamp<std::chrono::nanoseconds>(*due_at - parts_.steady.now(), std::chrono::nanoseconds(0), kLookEvery);
}

// A net below everything that changes records without telling the queue.
Task<void> Queue::sweep() {
  if (const auto removed = co_await remove_deleted_elsewhere(); !removed)
    parts_.log.warning("spool_not_swept", {{"reason", removed.error().reason}});
  // However many of those that are due are known: those that are not stand among them.
  const auto known = turns_.size() + order_.held() + parked_.size();
  const auto due = co_await parts_.store.due_deliveries(parts_.node, parts_.wall.now(), kSweptAtOnce + known);
  if (!due) {
    parts_.log.warning("deliveries_not_read", {{"reason", due.error().reason}});
    co_return;
  }
  for (const auto& delivery : *due) {
    if (order_.is_held(delivery.id) || turns_.is_under_way(delivery.id)) continue;
    if (turns_.waits_by(delivery.id, delivery.due_at)) continue;  // it is known, and due by the wall clock alone
    if (parked_.contains(delivery.id)) {
      if (delivery.state == store::DeliveryState::parked) continue;
      look_for_the_others(parked_.leave(delivery.id));
    }
    line_up(delivery, delivery.due_at);
  }
  order_.look_again();
  give_turns();
  begin_due();
}

Task<void> Queue::send(Turn turn) {
  Outcome outcome;
  try {
    outcome = co_await take_turn(turn);
  } catch (...) {
    turns_.end(turn, Reached::unknown);
    // The record says that it is being sent, and nobody sends it: its next turn settles that.
    wait(turn.delivery, turn.connector, parts_.wall.now() + kSettledAfter);
    order_.end(turn.delivery);
    give_turns();
    throw;
  }
  settle_turn(turn, outcome);
  wake();
  if (outcome.settled) settled_.notify_all();
}

void Queue::settle_turn(const Turn& turn, const Outcome& outcome) {
  turns_.end(turn, outcome.reached);
  const auto& way = outcome.waits_with;
  if (!way || !parked_.waits(turn.delivery, *way)) look_for_the_others(parked_.leave(turn.delivery));
  const bool looked_at = !way || parked_.enter(turn.delivery, *way);
  if (outcome.place == Place::goes) {
    if (outcome.again_at && looked_at) wait(turn.delivery, turn.connector, *outcome.again_at);
    if (outcome.again_at && outcome.bars) {
      order_.end(turn.delivery);
    } else {
      order_.leave(turn.delivery);
    }
  } else {
    // What it waited for may have gone while that was written down.
    if (!order_.hold(turn.delivery)) wait_no_longer(turn.delivery, turn.connector);
    if (outcome.place == Place::waits_otherwise) order_.tell_next(turn.delivery);
  }
  give_turns();
}

void Queue::look_for_the_others(const std::optional<ParkedGroups::Looked>& next) {
  if (next) wait_no_longer(next->delivery, next->connector);
}

Task<Result<store::Delivery>> Queue::wait_for(DeliveryId id, Seconds patience) {
  const auto until = parts_.steady.now() + patience;
  for (;;) {
    auto found = co_await parts_.store.delivery(id);
    if (!found) co_return std::unexpected(found.error());
    if (!*found) co_return fail(ErrorKind::not_found, "no_such_delivery", "There is no such delivery.");
    const bool moves = (*found)->state == store::DeliveryState::queued || (*found)->state == store::DeliveryState::sending;
    const auto now = parts_.steady.now();
    if (!moves || now >= until || stopping_) co_return std::move(**found);
    co_await settled_.wait_for(parts_.steady, until - now);
  }
}

}  // namespace latchkey::delivery
