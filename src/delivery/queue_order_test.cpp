// Documents of one name at a place where the last one to arrive shows: the newest is the one that stays.
#include "delivery/queue_testing.h"

namespace latchkey::delivery {
namespace {

using namespace std::chrono_literals;
using store::ConflictRule;
using store::DeliveryState;

const Error kAway{.kind = ErrorKind::unavailable, .reason = "away", .text = "503", .retry_after = Seconds(600)};
const Error kFull{.kind = ErrorKind::needs_person, .reason = "full", .text = "The account is full."};

class QueueOrderTest : public QueueTest {
 protected:
  void SetUp() override {
    QueueTest::SetUp();
    put_connector("latest", "acme-harmless", 0, ConflictRule::replace);
    put_connector("versions", "acme-harmless", 0, ConflictRule::new_version);
  }
  // Accepted a moment later than the one before.
  store::Delivery next(const std::string& name = "a.pdf", const std::string& connector = "latest") {
    advance(1s);
    return accepted(connector, name);
  }
  // The older of two, which the destination has been asked to take, and its next try is in ten minutes.
  store::Delivery put_off(const std::string& connector = "latest") {
    const auto one = next("a.pdf", connector);
    destination->answers.emplace(one.id.text(), kAway);
    base::drive_until(loop, [&] { return look(one.id).tries == 1 && look(one.id).state == DeliveryState::queued; });
    return one;
  }
  store::Delivery waiting(DeliveryId id) {
    base::drive_until(loop, [&] { return look(id).why.starts_with("An older document of this name"); });
    return look(id);
  }
  void let_through() {
    destination->answers.clear();
    destination->answer.reset();
  }
  using Keys = std::vector<std::string>;
};

TEST_F(QueueOrderTest, AnOlderOneThatIsTriedAgainArrivesBeforeTheNewer) {
  for (const std::string connector : {"latest", "versions"}) {
    destination->stored.clear();
    const auto older = put_off(connector);
    const auto newer = next("a.pdf", connector);
    EXPECT_EQ(waiting(newer.id).state, DeliveryState::queued);
    in(DeliveryState::delivered, next("b.pdf", connector).id);
    EXPECT_EQ(destination->stored.size(), 1U) << "another name waits for nobody";
    let_through();
    advance(601s);
    const auto done = in(DeliveryState::delivered, newer.id);
    EXPECT_EQ(destination->stored.at(1), older.id.text());
    EXPECT_EQ(destination->stored.at(2), newer.id.text());
    EXPECT_EQ(done.tries, 1) << "it was not sent to be held back";
    EXPECT_TRUE(last_noted(done, "waits"));
    EXPECT_TRUE(done.why.empty());
  }
}

TEST_F(QueueOrderTest, WhereNamesAreNotReplacedNobodyWaits) {
  const auto older = put_off("scans");
  in(DeliveryState::delivered, next("a.pdf", "scans").id);
  EXPECT_EQ(look(older.id).state, DeliveryState::queued);
}

TEST_F(QueueOrderTest, ManyOfOneNameArriveInTheirOrder) {
  destination->held = true;
  Keys all;
  for (int n = 0; n < 40; ++n) all.push_back(next().id.text());
  waiting(*DeliveryId::parse(all.back()));
  EXPECT_EQ(destination->sent.size(), 1U) << "never two at once";
  destination->held = false;
  released->notify_all();
  base::drive_until(loop, [&] { return destination->stored.size() == all.size(); });
  EXPECT_EQ(destination->stored, all);
  EXPECT_EQ(destination->sent.size(), all.size());
}

TEST_F(QueueOrderTest, D5_WhatWaitsForAPersonHoldsUpTheNewerAndBothGoByThemselves) {
  const auto older = next();
  destination->answer = kFull;
  in(DeliveryState::parked, older.id);
  const auto newer = next(), newest = next();
  for (const auto& each : {newer, newest}) {
    const auto parked = in(DeliveryState::parked, each.id);
    EXPECT_NE(parked.why.find("waits for a person"), std::string::npos) << parked.why;
  }
  EXPECT_EQ(destination->sent.size(), 1U);
  EXPECT_EQ(counted.parked, 3);
  let_through();
  advance(31s);
  in(DeliveryState::delivered, newest.id);
  EXPECT_EQ(destination->stored, (Keys{older.id.text(), newer.id.text(), newest.id.text()}));
}

// It would hold up the others for ever: nothing opens its account again.
TEST_F(QueueOrderTest, WhatMayOpenNothingAnyMoreHoldsUpNobody) {
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  const auto older = next();
  commit({grants::end_of_delegation(older)});
  const auto newer = next();
  ASSERT_TRUE(run(queue->start()));
  in(DeliveryState::delivered, newer.id);
  EXPECT_EQ(look(older.id).state, DeliveryState::parked);
  advance(61s);
  in(DeliveryState::delivered, next().id);
}

TEST_F(QueueOrderTest, WhatHasFailedHoldsUpNobody) {
  destination->answer = Error{.kind = ErrorKind::refused, .reason = "no", .text = "No."};
  in(DeliveryState::failed, next().id);
  let_through();
  in(DeliveryState::delivered, next().id);
}

TEST_F(QueueOrderTest, WhatIsDeletedOrSentElsewhereLetsTheNewerGoAtOnce) {
  auto desk = make_desk();
  put_own_connector("own", ConflictRule::replace);
  for (const bool deletes : {true, false}) {
    const auto older = put_off();
    const auto newer = next();
    waiting(newer.id);
    if (deletes) {
      ASSERT_TRUE(run(desk.remove(older.id, {.name = "anna", .source = "test"})));
    } else {
      const auto moved = run(desk.reroute(older.id, "own", {.name = "anna", .source = "test"}));
      ASSERT_TRUE(moved) << moved.error().reason;
    }
    in(DeliveryState::delivered, newer.id);
  }
}

// Another server of the installation deletes it: this one hears nothing of that.
TEST_F(QueueOrderTest, WhatGoesWithoutAWordIsMissedWithinAMinute) {
  const auto older = put_off();
  const auto newer = next();
  waiting(newer.id);
  commit({store::DeleteDelivery{older.id}});
  advance(61s);
  in(DeliveryState::delivered, newer.id);
}

TEST_F(QueueOrderTest, TheOrderOutlivesARestart) {
  const auto older = put_off();
  const auto newer = next();
  waiting(newer.id);
  stop_queue();
  let_through();
  advance(100s);
  start_queue();
  const auto newest = next();
  waiting(newest.id);
  EXPECT_TRUE(destination->stored.empty()) << "the older one is not due yet";
  advance(501s);
  in(DeliveryState::delivered, newest.id);
  EXPECT_EQ(destination->stored, (Keys{older.id.text(), newer.id.text(), newest.id.text()}));
}

TEST_F(QueueOrderTest, WhatAPersonSendsAgainGoesBeforeTheNewerThatWaits) {
  auto desk = make_desk();
  destination->answer = Error{.kind = ErrorKind::refused, .reason = "no", .text = "No."};
  const auto older = in(DeliveryState::failed, next().id);
  let_through();
  const auto newer = put_off();
  advance(2s);
  destination->answer = kAway;
  ASSERT_TRUE(run(desk.retry(older.id, {.name = "anna", .source = "test"})));
  base::drive_until(loop, [&] { return look(older.id).tries == 1 && look(older.id).state == DeliveryState::queued; });
  let_through();
  advance(599s);  // the newer one is due, the older one is not yet
  waiting(newer.id);
  EXPECT_TRUE(destination->stored.empty());
  advance(2s);
  in(DeliveryState::delivered, newer.id);
  EXPECT_EQ(destination->stored, (Keys{older.id.text(), newer.id.text()}));
}

// Sent again while the newer one is on its way: never both at once.
TEST_F(QueueOrderTest, WhatIsBeingSentEndsBeforeAnotherOfItsNameBegins) {
  auto desk = make_desk();
  destination->answer = Error{.kind = ErrorKind::refused, .reason = "no", .text = "No."};
  const auto older = in(DeliveryState::failed, next().id);
  let_through();
  destination->held = true;
  const auto newer = next();
  base::drive_until(loop, [&] { return destination->sent.size() == 2; });
  ASSERT_TRUE(run(desk.retry(older.id, {.name = "anna", .source = "test"})));
  waiting(older.id);
  EXPECT_EQ(destination->sent.size(), 2U);
  destination->held = false;
  released->notify_all();
  in(DeliveryState::delivered, older.id);
  EXPECT_EQ(destination->stored, (Keys{newer.id.text(), older.id.text()}));
}

}  // namespace
}  // namespace latchkey::delivery
