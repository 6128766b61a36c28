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
  store::Delivery made(const std::string& path, std::int64_t size_bytes = 8, const std::string& source = "webdav 192.0.2.1") {
    store::Delivery one{.id = DeliveryId::make(wall.now(), entropy), .connector = "scans", .submitter = owner.user};
    one.node = node;
    one.name = path;
    one.size_bytes = size_bytes;
    one.sha256 = Bytes(32, ++documents_made);
    one.source = source;
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
    wall.advance(1ms);
    return one;
  }
  std::optional<store::Delivery> look(DeliveryId id) {
    auto found = run(store->delivery(id));
    EXPECT_TRUE(found);
    return std::move(*found);
  }
  std::vector<std::string> paths() {
    std::vector<std::string> shown;
    const auto items = run(shelf.items(owner, "scans", "webdav 192.0.2.1"));
    EXPECT_TRUE(items);
    for (const auto& item : *items) shown.push_back(item.path);
    return shown;
  }
  // Somebody else is a moment faster than the first commit that would change or delete the delivery, with this.
  void faster_than_the_shelf(store::Delivery changed) {
    door->before = [done = std::make_shared<bool>(false), changed](const store::Batch& batch) {
      const bool touches = std::ranges::any_of(batch, [&](const auto& each) {
        const auto* put = std::get_if<store::PutDelivery>(&each);
        return put != nullptr && put->delivery.id == changed.id;
      });
      if (!touches || std::exchange(*done, true)) return store::Batch{};
      return store::Batch{store::PutDelivery{changed}};
    };
  }
  // What is listed at that path for whoever asks from there.
  std::optional<DeliveryId> shown(const std::string& path, const std::string& source) {
    const auto items = run(shelf.items(owner, "scans", source));
    EXPECT_TRUE(items);
    const auto found = std::ranges::find(*items, path, &ShelfItem::path);
    return found == items->end() ? std::nullopt : std::optional(found->delivery.id);
  }
  // How many go before their time.
  Task<std::int64_t> displaced(std::string path, store::Delivery by, DeliveryId waited = {}) {
    co_return co_await shelf.displace(owner, "scans", std::move(path), std::move(by), waited);
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
  std::uint8_t documents_made = 0;
  Owner owner{.user = {}, .auth_epoch = 0, .device = {}, .name = "printer-1"};
};

// K3: the path is vouched for, and the queue sends nothing whose MAC does not fit.
TEST_F(AShelf, K3_WhatAnotherDocumentReplacesIsStillVouchedForAndSent) {
  const auto first = put(made("scan.pdf"));
  const auto second = put(made("scan.pdf"));
  run(displaced("scan.pdf", second));
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
  ASSERT_TRUE(run(shelf.remove(owner, "scans", "scan.pdf", "webdav 192.0.2.1")));
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
  EXPECT_EQ(run(shelf.remove(owner, "scans", "scan.pdf", "webdav 192.0.2.1")).error().reason, "record_altered");
  EXPECT_FALSE(sealing.check(*look(altered.id)));
}

// Two devices behind one address, or one whose MOVE was lost: both were answered 201.
TEST_F(AShelf, G4_WhatWaitsIncompleteGoesAtOnceWhenAnotherTakesItsNameAndWhatWaitsIsTakenBack) {
  const auto first = put(made("scan.tmp"));
  const auto whole = put(made("scan.tmp"));
  EXPECT_EQ(run(displaced("scan.tmp", whole)), 1);
  const auto after = look(first.id);
  ASSERT_TRUE(after) << "it was acknowledged";
  EXPECT_EQ(after->name, "scan.tmp");
  EXPECT_EQ(after->due_at, wall.now());
  EXPECT_TRUE(last_noted(*after, "released"));
  EXPECT_TRUE(sealing.check(*after));
  EXPECT_EQ(shown("scan.tmp", "webdav 192.0.2.1"), whole.id) << "the MOVE to come is of the newer one";
  ASSERT_TRUE(look(whole.id));
  EXPECT_EQ(look(whole.id)->due_at, wall.now() - 1ms + 900s);
  ASSERT_TRUE(run(shelf.remove(owner, "scans", "scan.tmp", "webdav 192.0.2.1")));
  EXPECT_FALSE(look(whole.id));
}

// Two machines of one account, both of whose scans are called ~scan.tmp until they have come whole.
TEST_F(AShelf, G4_WhatAnotherMachineHasHalfNamedIsNotReplacedAndEachGivesItsOwnAName) {
  const std::string one = "webdav 192.0.2.1";
  const std::string other = "webdav 192.0.2.2";
  const auto first = put(made("~scan.tmp", 8, one));
  wall.advance(1s);
  const auto second = put(made("~scan.tmp", 8, other));
  run(displaced("~scan.tmp", second));
  ASSERT_TRUE(look(first.id)) << "its sender was answered 201";
  EXPECT_TRUE(look(second.id));
  EXPECT_EQ(shown("~scan.tmp", one), first.id) << "its MOVE is of its own document";
  EXPECT_EQ(shown("~scan.tmp", other), second.id);
  EXPECT_EQ(shown("~scan.tmp", "webdav 192.0.2.3"), second.id) << "the newest, for whoever has neither";
  ASSERT_TRUE(run(shelf.remove(owner, "scans", "~scan.tmp", other)));
  EXPECT_FALSE(look(second.id));
  EXPECT_TRUE(look(first.id));
  const auto empty = put(made("~scan.tmp", 0, other));
  const auto third = put(made("~scan.tmp", 8, one));
  run(displaced("~scan.tmp", third));
  EXPECT_FALSE(look(empty.id)) << "whoever made it";
  EXPECT_EQ(look(first.id)->due_at, wall.now()) << "the same machine has another of that name";
}

// The answer to the first was lost on its way.
TEST_F(AShelf, D1_WhatIsPutOnceMoreWhileItWaitsIsOneDocument) {
  auto first = made("scan.pdf");
  first = put(first);
  auto again = made("scan.pdf");
  again.sha256 = first.sha256;
  sealing.vouch(again);
  again = put(again);
  run(displaced("scan.pdf", again));
  EXPECT_FALSE(look(first.id));
  EXPECT_TRUE(look(again.id));
  auto elsewhere = made("scan.pdf", 8, "webdav 192.0.2.2");
  elsewhere.sha256 = first.sha256;
  sealing.vouch(elsewhere);
  elsewhere = put(elsewhere);
  run(displaced("scan.pdf", elsewhere));
  EXPECT_TRUE(look(again.id)) << "another machine's";
}

// Both were accepted before either had cleared the path.
TEST_F(AShelf, D1_OfTwoThatComeAtOnceTheLaterOneStays) {
  const auto first = put(made("scan.pdf"));
  auto again = made("scan.pdf");
  again.sha256 = first.sha256;
  sealing.vouch(again);
  again = put(again);
  run(displaced("scan.pdf", first));
  EXPECT_TRUE(look(again.id));
  run(displaced("scan.pdf", again));
  EXPECT_TRUE(look(again.id));
  EXPECT_FALSE(look(first.id));
}

// Two jobs of one device with one temporary name: the second has come while the first gets its name.
TEST_F(AShelf, G4_ADocumentThatGetsItsNameMeanwhileIsNotReplaced) {
  const auto first = put(made("scan.tmp"));
  const auto second = put(made("scan.tmp"));
  auto renamed = first;
  renamed.name = "a.pdf";
  renamed.fields_json = path_field("a.pdf");
  sealing.vouch(renamed);
  faster_than_the_shelf(renamed);
  run(displaced("scan.tmp", second));
  ASSERT_TRUE(look(first.id)) << "its MOVE has been answered with 201";
  EXPECT_EQ(look(first.id)->fields_json, path_field("a.pdf"));
  EXPECT_TRUE(look(second.id));
}

TEST_F(AShelf, G4_ADocumentThatTheQueueBeginsMeanwhileIsOnlyTakenOffTheShelf) {
  const auto one = put(made("scan.pdf"));
  auto begun = one;
  begun.state = DeliveryState::sending;
  begun.tries = 1;
  faster_than_the_shelf(begun);
  ASSERT_TRUE(run(shelf.remove(owner, "scans", "scan.pdf", "webdav 192.0.2.1")));
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
  EXPECT_EQ(look(renamed.id)->due_at, renamed.due_at);
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
  run(displaced("scan.pdf", slow, placeholder.id));
  EXPECT_FALSE(look(placeholder.id)) << "it would be sent in hours, over the document";
  EXPECT_TRUE(look(slow.id));
  EXPECT_TRUE(look(among_older.id));
}

// The document that has come is accepted already: its client must not be told to send it again.
TEST_F(AShelf, AStoreThatRefusesLeavesBothDocuments) {
  const auto first = put(made("scan.pdf"));
  const auto second = put(made("scan.pdf"));
  door->refuses = [](const store::Batch&) { return true; };
  run(displaced("scan.pdf", second));
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
