// Several servers of one installation: each sends what it took in, and all of them may change the records.
#include "delivery/other_nodes.h"
#include "delivery/queue_testing.h"

namespace latchkey::delivery {
namespace {

using namespace std::chrono_literals;
using store::DeliveryState;

const Error kRefused{.kind = ErrorKind::refused, .reason = "no", .text = "No."};

// This node has the documents; the desk is another node's.
class QueueNodesTest : public QueueTest {
 protected:
  void SetUp() override {
    QueueTest::SetUp();
    put_node(node);
    put_node(other);
    make_desk();
    auto theirs = parts();
    theirs.node = other;
    other_queue = std::make_unique<Queue>(std::move(theirs));
    desk.emplace(desk_parts(other_spool, *other_queue, other));
    ASSERT_TRUE(other_spool.prepare());
    put_own_connector("own");
  }
  void put_node(NodeId id) {
    commit({store::PutNode{{.id = id, .name = "node", .run = Bytes(16, 1), .started_at = wall.now()}}});
  }
  bool is_gone(DeliveryId id) { return !run(store->delivery(id)).value(); }
  std::size_t documents_here() { return run(spool.documents())->size(); }

  const people::Actor anna{.name = "anna", .source = "test"};
  NodeId other = NodeId::make(wall.now(), entropy);
  Spool other_spool{
      {.files = files, .sealing = sealing, .entropy = entropy, .log = log, .directory = documents.path() + "/other"}};
  std::unique_ptr<Queue> other_queue;
  std::optional<DeliveryDeskOfQueue> desk;
};

TEST_F(QueueNodesTest, WhatAnotherServerDeletesLeavesNoDocumentBehind) {
  destination->answer = kRefused;
  const auto first = in(DeliveryState::failed, accepted().id), second = in(DeliveryState::failed, accepted().id);
  base::drive_until(loop, [&] { return !queue->is_sending(first.id) && !queue->is_sending(second.id); });
  // Two servers at the same moment.
  bool faster = false;
  door->before = [&](const store::Batch& batch) {
    const bool deletes = std::ranges::any_of(
        batch, [](const store::Mutation& each) { return std::holds_alternative<store::CompareMeta>(each); });
    if (!deletes || std::exchange(faster, true)) return store::Batch{};
    return store::Batch{store::PutMeta{"deliveries_deleted/" + node.text(), Bytes(16, 7)}};
  };
  ASSERT_TRUE(run(desk->remove(first.id, anna)));
  EXPECT_TRUE(faster);
  door->before = nullptr;
  EXPECT_TRUE(is_gone(first.id));
  EXPECT_EQ(documents_here(), 2U);
  advance(61s);
  base::drive_until(loop, [&] { return documents_here() == 1; });
  // Also while this one does not run: it is no unknown document at its start.
  stop_queue();
  ASSERT_TRUE(run(desk->remove(second.id, anna)));
  start_queue();
  EXPECT_EQ(documents_here(), 0U);
  EXPECT_TRUE(run(spool.strays())->empty());
  EXPECT_TRUE(run(deleted_elsewhere(*store, node))->deliveries.empty());
}

// A database from a backup: the record is there again, and the note that it was deleted is, too.
TEST_F(QueueNodesTest, F10_ARecordThatIsBackKeepsItsDocument) {
  destination->answer = kRefused;
  auto one = in(DeliveryState::failed, accepted().id);
  base::drive_until(loop, [&] { return !queue->is_sending(one.id); });
  stop_queue();
  ASSERT_TRUE(run(desk->remove(one.id, anna)));
  one.version = 0;
  commit({store::PutDelivery{one}});
  start_queue();
  EXPECT_EQ(documents_here(), 1U);
}

TEST_F(QueueNodesTest, RetentionIsForWhoeverHasTheDocument) {
  auto theirs = accepted();
  in(DeliveryState::delivered, theirs.id);
  destination->answer = kRefused;
  theirs.id = DeliveryId::make(wall.now(), entropy);
  theirs.node = other;
  theirs.state = DeliveryState::failed;
  theirs.finished_at = wall.now();
  theirs.version = 0;
  sealing.vouch(theirs);
  commit({store::PutDelivery{theirs}});
  advance(1s);
  const auto mine = in(DeliveryState::failed, accepted().id);
  for (const bool lost : {false, true}) {
    stop_queue();
    tuning.keep_failed = 1s;
    ran_for(2s);
    if (lost) commit({store::DeleteNode{other}});
    start_queue();
    if (lost) {
      base::drive_until(loop, [&] { return is_gone(theirs.id); });
    } else {
      // It is the younger one: what becomes of the other is decided before.
      base::drive_until(loop, [&] { return is_gone(mine.id); });
      EXPECT_FALSE(is_gone(theirs.id)) << "its document would be left behind there";
    }
  }
}

// A server that is away for long, or for good, must not make every record of what it delivered stay for ever. One that runs forgets
// its own: not all of them at once the same ones.
TEST_F(QueueNodesTest, ARecordWithoutADocumentIsForgottenByAnyServerADayLater) {
  auto theirs = in(DeliveryState::delivered, accepted().id);
  EXPECT_TRUE(theirs.document_key_sealed.empty());
  theirs.id = DeliveryId::make(wall.now(), entropy);
  theirs.node = other;
  theirs.version = 0;
  sealing.vouch(theirs);
  commit({store::PutDelivery{theirs}});
  advance(1s);
  const auto mine = in(DeliveryState::delivered, accepted().id);
  for (const auto later : {Seconds(2), Seconds(24h)}) {
    stop_queue();
    tuning.keep_records = 1s;
    ran_for(later);
    start_queue();
    // It is the younger one: what becomes of the other is decided before.
    base::drive_until(loop, [&] { return is_gone(later == 2s ? mine.id : theirs.id); });
    EXPECT_EQ(is_gone(theirs.id), later == 24h);
  }
}

// Parked, it is sent before its record says so: another server may send it elsewhere at that moment.
TEST_F(QueueNodesTest, D1_WhatIsSentElsewhereMeanwhileIsNotDeliveredUnderTheNameOfTheOther) {
  for (const bool seen_before_its_end : {true, false}) {
    stop_queue();
    destination->stored.clear();
    destination->sent.clear();
    destination->held = true;
    destination->notes = seen_before_its_end ? "begun" : "";
    queue = std::make_unique<Queue>(parts());
    const auto one = accepted("scans", "a.pdf", DeliveryState::parked);
    ASSERT_TRUE(run(queue->start()));
    base::drive_until(loop, [&] { return destination->sent.size() == 1; });
    const auto moved = run(desk->reroute(one.id, "own", anna));
    ASSERT_TRUE(moved) << moved.error().reason;
    destination->held = false;
    released->notify_all();
    base::drive_until(loop, [&] { return !queue->is_sending(one.id); });
    const auto between = look(one.id);
    EXPECT_EQ(between.state, DeliveryState::queued) << "it has not arrived where it was sent";
    EXPECT_EQ(between.resume_point, "") << "of the upload before";
    EXPECT_EQ(destination->stored.size(), seen_before_its_end ? 0U : 1U);
    advance(61s);
    const auto done = in(DeliveryState::delivered, one.id);
    EXPECT_EQ(done.connector, "own");
    EXPECT_EQ(destination->keys.back(), one.id.text() + "-1");
    EXPECT_EQ(last_noted(done, "delivered").has_value(), true);
    EXPECT_EQ(done.timeline_json.contains("before it was sent elsewhere"), !seen_before_its_end);
  }
}

TEST_F(QueueNodesTest, WhatADeadServerWasSendingCanBeDeletedOnceItIsDeclaredLost) {
  auto theirs = accepted();
  in(DeliveryState::delivered, theirs.id);
  theirs.id = DeliveryId::make(wall.now(), entropy);
  theirs.node = other;
  theirs.state = DeliveryState::sending;
  theirs.version = 0;
  sealing.vouch(theirs);
  commit({store::PutDelivery{theirs}});
  auto here = make_desk();
  EXPECT_EQ(run(here.remove(theirs.id, anna)).error().reason, "being_sent");
  commit({store::DeleteNode{other}});
  EXPECT_TRUE(run(here.remove(theirs.id, anna)));
  EXPECT_TRUE(is_gone(theirs.id));
}

}  // namespace
}  // namespace latchkey::delivery
