// A wall clock that is ahead, or is set back: documents are neither deleted nor hurried nor held up by it.
#include "delivery/queue_testing.h"

namespace latchkey::delivery {
namespace {

using namespace std::chrono_literals;
using store::DeliveryState;

const Error kAway{.kind = ErrorKind::unavailable, .reason = "away", .text = "503"};
const Error kRefused{.kind = ErrorKind::refused, .reason = "no", .text = "No."};
constexpr auto kMonth = 720h;

class QueueClockTest : public QueueTest {
 protected:
  bool is_gone(DeliveryId id) { return !run(store->delivery(id)).value(); }
  store::Delivery after_tries(DeliveryId id, int tries) {
    base::drive_until(loop, [&] {
      return look(id).tries == tries && look(id).state != DeliveryState::sending && !queue->is_sending(id);
    });
    return look(id);
  }
};

TEST_F(QueueClockTest, D2_AClockThatIsAheadAtAStartDeletesNoDocument) {
  destination->answer = kRefused;
  const auto kept = in(DeliveryState::failed, accepted().id);
  advance(1s);
  const auto old = in(DeliveryState::failed, accepted("scans", "old.pdf").id);
  stop_queue();
  ran_for(2h);
  auto older = look(old.id);
  older.finished_at -= 48h;
  commit({store::PutDelivery{older}});
  wall.advance(kMonth);
  tuning.keep_failed = 24h;
  start_queue();
  // What is old in truth goes at the same look, and after the other has been looked at.
  base::drive_until(loop, [&] { return is_gone(old.id); });
  EXPECT_FALSE(is_gone(kept.id));
}

TEST_F(QueueClockTest, AClockThatIsSetBackHoldsUpNothing) {
  destination->answer = kAway;
  const auto one = after_tries(accepted().id, 1);
  wall.advance(-kMonth);
  advance(10s);
  EXPECT_EQ(after_tries(one.id, 2).state, DeliveryState::queued);
  destination->answer.reset();
  advance(30s);
  in(DeliveryState::delivered, one.id);
}

TEST_F(QueueClockTest, WhatAClockThatWasAheadPutOffIsPulledInAtAStart) {
  wall.advance(kMonth);
  destination->answer = kAway;
  const auto one = after_tries(accepted().id, 1);
  stop_queue();
  wall.advance(-kMonth);
  start_queue();
  EXPECT_LE(look(one.id).due_at, wall.now() + 60s) << "and the console says when";
  destination->answer.reset();
  advance(60s);
  in(DeliveryState::delivered, one.id);
}

// A scan with a temporary name waits for its MOVE.
TEST_F(QueueClockTest, AClockThatJumpsAheadHurriesNothing) {
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  auto held = accepted();
  held.version = 1;
  held.due_at = wall.now() + 900s;
  commit({store::PutDelivery{held}});
  ASSERT_TRUE(run(queue->start()));
  wall.advance(1h);
  for (int sweep = 0; sweep < 5; ++sweep) {
    advance(61s);
    const auto other = accepted("scans", "b.pdf");
    in(DeliveryState::delivered, other.id);
  }
  EXPECT_EQ(look(held.id).tries, 0);
  advance(700s);
  in(DeliveryState::delivered, held.id);
}

TEST_F(QueueClockTest, AClockThatJumpsAheadGivesNothingUp) {
  destination->answer = kAway;
  const auto one = after_tries(accepted().id, 1);
  wall.advance(kMonth);
  advance(10s);
  EXPECT_EQ(after_tries(one.id, 2).state, DeliveryState::queued);
}

}  // namespace
}  // namespace latchkey::delivery
