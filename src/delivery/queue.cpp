#include "delivery/queue.h"

#include <boost/asio/post.hpp>

namespace latchkey::delivery {
namespace {

constexpr std::size_t kLookedAtOnce = 200;
constexpr Seconds kLookEvery{5};
constexpr Seconds kForgetEvery{3600};
constexpr Seconds kTellEvery{15};

}  // namespace

Queue::Queue(Parts parts)
    : parts_(std::move(parts)), tasks_(parts_.executor, parts_.log), wake_(parts_.executor), settled_(parts_.executor) {}
Queue::~Queue() = default;

Task<Result<void>> Queue::start() {
  if (const auto done = co_await settle_spool(); !done) co_return done;
  if (const auto done = co_await settle_interrupted(); !done) co_return done;
  tasks_.spawn("delivery queue", run());
  co_return Result<void>{};
}

Task<void> Queue::stop() {
  stopping_ = true;
  wake_.notify_all();
  settled_.notify_all();
  parts_.cut();
  co_await tasks_.cancel_and_wait();
}

void Queue::nudge() {
  boost::asio::post(parts_.executor, [this] { wake(); });
}

void Queue::wake() {
  nudged_ = true;
  wake_.notify_all();
}

Task<void> Queue::run() {
  while (!stopping_) {
    nudged_ = false;
    co_await look();
    const auto now = parts_.steady.now();
    if (now >= forget_again_at_) {
      forget_again_at_ = now + kForgetEvery;
      co_await forget_old();
    }
    if (now >= tell_again_at_) {
      tell_again_at_ = now + kTellEvery;
      co_await tell_people();
    }
    if (!stopping_ && !nudged_) co_await wake_.wait_for(parts_.steady, kLookEvery);
  }
}

Task<void> Queue::look() {
  // Asked without those of whom enough is known: their backlog hides nobody else's documents.
  for (bool more = true; more;) {
    const auto pace = parts_.tuning().pace;
    const auto now = parts_.steady.now();
    while (auto turn = stopping_ ? std::nullopt : turns_.next(now, pace)) tasks_.spawn("delivery", send(std::move(*turn)));
    if (stopping_ || turns_.is_full(pace)) co_return;
    // What is under way may still stand there as due.
    const auto due = co_await parts_.store.due_deliveries(parts_.node, parts_.wall.now(), kLookedAtOnce + pace.parallel,
                                                          turns_.settled(now, pace));
    if (!due) {
      parts_.log.warning("deliveries_not_read", {{"reason", due.error().reason}});
      co_return;
    }
    more = false;
    for (const auto& delivery : *due) more |= turns_.add(delivery.id, delivery.connector);
  }
}

Task<void> Queue::send(Turn turn) {
  auto reached = Reached::unknown;
  try {
    reached = co_await send_one(turn.delivery);
  } catch (...) {
    turns_.end(turn, reached);
    throw;
  }
  turns_.end(turn, reached);
  wake();
  settled_.notify_all();
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
