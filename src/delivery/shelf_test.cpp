// What becomes of documents that their owner replaces, renames or takes back, also while the queue is at work on them (RULES
// G4).
#include "delivery/shelf.h"

#include "delivery/timeline.h"
#include "grants/keeper_testing.h"
#include "store/store_testing.h"

namespace latchkey::delivery {
namespace {

using namespace std::chrono_literals;
using store::DeliveryState;

class AShelf : public grants::KeeperHouse {
 protected:
  void SetUp() override {
    store::Batch batch;
    owner.user = add_grant(batch, "acme-harmless").user;
    commit(std::move(batch));
    store::Connector scans{.id = "scans", .name = "Scans", .type = "acme-harmless", .naming = "{name}"};
    scans.created_at = wall.now();
    sealing.vouch(scans);
    commit({store::PutConnector{scans}});
    ASSERT_TRUE(spool.prepare());
  }
  void TearDown() override {
    door->before = nullptr;
    run(stopped());
  }
  Task<bool> stopped() {
    co_await queue.stop();
    co_return true;
  }

  // A record as the WebDAV door leaves it, with a path.
  store::Delivery made(const std::string& path, std::int64_t size_bytes = 8) {
    store::Delivery one{.id = DeliveryId::make(wall.now(), entropy), .connector = "scans", .submitter = owner.user};
    one.node = node;
    one.name = path;
    one.size_bytes = size_bytes;
    one.sha256 = Bytes(32, 1);
    one.fields_json = path_field(path);
    one.created_at = wall.now();
    one.due_at = wall.now() + 900s;
    note(one, wall.now(), "accepted", "");
    sealing.vouch(one);
    return one;
  }
  store::Delivery put(store::Delivery one) {
    commit({store::PutDelivery{one}});
    one.version += 1;
    return one;
  }
  std::optional<store::Delivery> look(DeliveryId id) {
    auto found = run(store->delivery(id));
    EXPECT_TRUE(found);
    return std::move(*found);
  }
  std::vector<std::string> paths() {
    std::vector<std::string> shown;
    const auto items = run(shelf.items(owner, "scans"));
    EXPECT_TRUE(items);
    for (const auto& item : *items) shown.push_back(item.path);
    return shown;
  }
  // Somebody else is a moment faster than the first commit that would delete a delivery, with this.
  void faster_than_deletion(store::Delivery changed) {
    door->before = [done = std::make_shared<bool>(false), changed](const store::Batch& batch) {
      if (!grants::holds<store::DeleteDelivery>(batch) || std::exchange(*done, true)) return store::Batch{};
      return store::Batch{store::PutDelivery{changed}};
    };
  }
  Task<bool> displaced(std::string path, DeliveryId by, DeliveryId waited = {}) {
    co_await shelf.displace(owner, "scans", std::move(path), by, waited);
    co_return true;
  }

  vault::HotCache hot{{}, entropy, steady};
  store::TemporaryDirectory documents;
  store::SystemFiles files;
  Spool spool{
      {.files = files, .sealing = sealing, .entropy = entropy, .log = log, .directory = documents.path() + "/spool"}};
  connectors::Connectors connectors{connectors::Connectors::ByKind{}};
  grants::Delegations delegations{{.store = *store,
                                   .sealing = sealing,
                                   .vault = vault,
                                   .hot = hot,
                                   .keeper = *keeper,
                                   .engine = loop.get_executor(),
                                   .wall = wall}};
  Counters counted;
  QueueTuning tuning;
  // Started only where a test needs it: until then nothing is sent.
  Queue queue{{.store = *store,
               .spool = spool,
               .delegations = delegations,
               .clients = *clients,
               .sealing = sealing,
               .connectors = connectors,
               .alerts = alerts,
               .counters = counted,
               .wall = wall,
               .steady = steady,
               .entropy = entropy,
               .log = log,
               .executor = loop.get_executor(),
               .node = node,
               .tuning = [this] { return tuning; },
               .cut = [] {}}};
  people::UserSeal user_seal{vault};
  people::DeviceSeal device_seal{vault};
  grants::StandingDelegations standing{
      {.store = *store, .sealing = sealing, .vault = vault, .wall = wall, .entropy = entropy}};
  Reception reception{{.store = *store,
                       .spool = spool,
                       .delegations = delegations,
                       .standing = standing,
                       .sealing = sealing,
                       .user_seal = user_seal,
                       .device_seal = device_seal,
                       .wall = wall,
                       .entropy = entropy,
                       .node = node,
                       .size_bytes_max = [] { return std::uint64_t{1} << 40; },
                       .accepted = [](const store::Delivery&) {}}};
  Shelf shelf{{.store = *store,
               .spool = spool,
               .queue = queue,
               .reception = reception,
               .sealing = sealing,
               .wall = wall,
               .log = log,
               .executor = loop.get_executor()}};
  Owner owner{.user = {}, .auth_epoch = 0, .device = {}, .name = "printer-1"};
};

// K3: the path is vouched for, and the queue sends nothing whose MAC does not fit.
TEST_F(AShelf, K3_WhatAnotherDocumentReplacesIsStillVouchedForAndSent) {
  const auto first = put(made("scan.pdf"));
  const auto second = put(made("scan.pdf"));
  run(displaced("scan.pdf", second.id));
  const auto after = look(first.id);
  ASSERT_TRUE(after) << "two people at one copier have two documents";
  EXPECT_TRUE(sealing.check(*after));
  EXPECT_EQ(after->state, DeliveryState::queued);
  EXPECT_EQ(paths(), std::vector<std::string>{"scan.pdf"});
}

TEST_F(AShelf, K3_WhatIsTakenBackTooLateIsStillVouchedForAndSent) {
  auto tried = made("scan.pdf");
  tried.tries = 1;  // in its back-off
  tried = put(tried);
  ASSERT_TRUE(run(shelf.remove(owner, "scans", "scan.pdf")));
  const auto after = look(tried.id);
  ASSERT_TRUE(after);
  EXPECT_TRUE(sealing.check(*after));
  EXPECT_TRUE(paths().empty());
}

TEST_F(AShelf, K3_WhatSomebodyElseWroteIntoTheStoreIsNotVouchedFor) {
  auto altered = made("scan.pdf");
  altered.tries = 1;
  altered.name = "elsewhere.pdf";
  altered = put(altered);
  EXPECT_EQ(run(shelf.remove(owner, "scans", "scan.pdf")).error().reason, "record_altered");
  EXPECT_FALSE(sealing.check(*look(altered.id)));
}

TEST_F(AShelf, G4_WhatWaitsIncompleteIsReplacedAndWhatWaitsIsTakenBack) {
  const auto part = put(made("scan.tmp"));
  const auto whole = put(made("scan.tmp"));
  run(displaced("scan.tmp", whole.id));
  EXPECT_FALSE(look(part.id));
  ASSERT_TRUE(look(whole.id));
  ASSERT_TRUE(run(shelf.remove(owner, "scans", "scan.tmp")));
  EXPECT_FALSE(look(whole.id));
}

// Two jobs of one device with one temporary name: the second has come while the first gets its name.
TEST_F(AShelf, G4_ADocumentThatGetsItsNameMeanwhileIsNotReplaced) {
  const auto first = put(made("scan.tmp"));
  const auto second = put(made("scan.tmp"));
  auto renamed = first;
  renamed.name = "a.pdf";
  renamed.fields_json = path_field("a.pdf");
  sealing.vouch(renamed);
  faster_than_deletion(renamed);
  run(displaced("scan.tmp", second.id));
  ASSERT_TRUE(look(first.id)) << "its MOVE has been answered with 201";
  EXPECT_EQ(look(first.id)->fields_json, path_field("a.pdf"));
  EXPECT_TRUE(look(second.id));
}

TEST_F(AShelf, G4_ADocumentThatTheQueueBeginsMeanwhileIsOnlyTakenOffTheShelf) {
  const auto one = put(made("scan.pdf"));
  auto begun = one;
  begun.state = DeliveryState::sending;
  begun.tries = 1;
  faster_than_deletion(begun);
  ASSERT_TRUE(run(shelf.remove(owner, "scans", "scan.pdf")));
  const auto after = look(one.id);
  ASSERT_TRUE(after) << "it may have arrived already";
  EXPECT_EQ(after->state, DeliveryState::sending);
  EXPECT_TRUE(sealing.check(*after));
  EXPECT_TRUE(paths().empty());
}

TEST_F(AShelf, WhatHasGotItsNameMeanwhileIsNotPutOff) {
  auto renamed = made("a.pdf");
  renamed.due_at = wall.now();
  renamed = put(renamed);
  ASSERT_TRUE(run(shelf.postpone(renamed.id, "scan.tmp", 6h)));
  EXPECT_EQ(look(renamed.id)->due_at, wall.now());
  ASSERT_TRUE(run(shelf.postpone(renamed.id, "a.pdf", 6h)));
  EXPECT_EQ(look(renamed.id)->due_at, wall.now() + 6h);
}

// G4: a document that takes hours to come in is shown from then on, and takes the place of the empty one that was made for
// it.
TEST_F(AShelf, G4_WhatTookLongToComeInReplacesWhatStoodThereBefore) {
  const auto placeholder = put(made("scan.pdf", 0));
  auto slow = made("scan.pdf");
  const auto among_older = put(made("other.pdf"));
  wall.advance(std::chrono::hours(2));
  slow.created_at = wall.now();
  sealing.vouch(slow);
  slow = put(std::move(slow));
  EXPECT_EQ(paths(), std::vector<std::string>{"scan.pdf"})
      << "accepted this moment, and begun before the one that is no longer shown";
  run(displaced("scan.pdf", slow.id, placeholder.id));
  EXPECT_FALSE(look(placeholder.id)) << "it would be sent in hours, over the document";
  EXPECT_TRUE(look(slow.id));
  EXPECT_TRUE(look(among_older.id));
}

// The document that has come is accepted already: its client must not be told to send it again.
TEST_F(AShelf, AStoreThatRefusesLeavesBothDocuments) {
  const auto first = put(made("scan.pdf"));
  const auto second = put(made("scan.pdf"));
  door->refuses = [](const store::Batch&) { return true; };
  run(displaced("scan.pdf", second.id));
  door->refuses = nullptr;
  EXPECT_EQ(logged("shelf_not_cleared"), 1);
  EXPECT_TRUE(look(first.id) && look(second.id));
}

TEST_F(AShelf, WhatHasGotItsNameIsSentAtOnceWhateverTheBacklog) {
  const auto held = put(made("scan.tmp"));
  store::Batch backlog;
  for (int i = 0; i < 600; ++i) {
    auto one = made("old.pdf");
    one.connector = "slow";
    one.due_at = wall.now() - 1h;
    sealing.vouch(one);
    backlog.emplace_back(store::PutDelivery{one});
  }
  commit(std::move(backlog));
  tuning.pace.per_minute_per_connector = 1;
  bool begun = false;
  door->written = [&begun, id = held.id](const store::Batch& batch) {
    for (const auto& each : batch) {
      const auto* put = std::get_if<store::PutDelivery>(&each);
      if (put != nullptr && put->delivery.id == id && put->delivery.state == DeliveryState::sending) begun = true;
    }
  };
  ASSERT_TRUE(run(queue.start()));
  const auto moved = base::start_on(loop, shelf.move(owner, held.id, "scan.pdf", 0s));
  base::drive_until(loop, [&] { return moved->has_value(); });
  ASSERT_TRUE(**moved) << (**moved).error().reason;
  base::drive_until(loop, [&] { return begun; });
  EXPECT_EQ(look(held.id)->name, "scan.pdf");
  door->written = nullptr;
}

}  // namespace
}  // namespace latchkey::delivery
