#include "grants/notices.h"

#include <gmock/gmock.h>

#include <functional>
#include <utility>

#include "base/fakes_testing.h"
#include "grants/prudent_clock.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_testing.h"
#include "vault/vault.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A webhook's receiver.
class Receiver final : public net::HttpTransport {
 public:
  Task<net::HttpOutcome> send(net::HttpCall call) override {
    const auto body = parse_json(call.body->reveal_text());
    if (meanwhile) co_await std::exchange(meanwhile, nullptr)();
    if (status == 200) told.push_back(std::string(body->at("event").as_string()) + " " + std::string(body->at("cause").as_string()));
    words = std::string(body->at("detail").as_string());
    at = std::string(body->at("at").as_string());
    since = std::string(body->at("since").as_string());
    timestamp = std::string(call.headers.value_or("Latchkey-Timestamp"));
    ++calls;
    co_return net::Reply{.status = status};
  }
  std::function<Task<void>()> meanwhile;  // while the first notice is under way
  int status = 200;
  int calls = 0;
  std::vector<std::string> told;
  std::string words, at, since, timestamp;
};

class NoRelay final : public net::MailClient {
 public:
  Task<Result<net::MailTaken>> send(net::MailCall call) override {
    message = std::move(call.message);
    co_return fail(ErrorKind::unavailable, "connect_failed", "No relay.");
  }
  std::string message;
};

class NoticesTest : public testing::Test {
 protected:
  // One server's process.
  struct Server {
    explicit Server(NoticesTest& ground, std::optional<NodeId> node = {}, std::string machine = {}) : Server(ground, ground.wall, node, std::move(machine)) {}
    Server(NoticesTest& ground, const WallClock& clock, std::optional<NodeId> node = {}, std::string machine = {})
        : alerts(clock, ground.log),
          notices({.store = *ground.store, .registry = *ground.registry, .sealing = ground.sealing, .transport = ground.receiver, .mail = ground.relay,
                   .alerts = alerts, .wall = clock, .stamps = ground.wall, .steady = ground.steady, .entropy = ground.entropy, .log = ground.log,
                   .public_url = "https://latchkey.example", .node = node, .machine = std::move(machine)}) {}
    void look() {
      std::vector<Task<void>> tasks;
      tasks.push_back(notices.tell_all());
      store::wait_for_all(std::move(tasks));
    }
    Alerts alerts;
    Notices notices;
  };

  NoticesTest() {
    auto opened = store::open_sqlite_store({.path = folder.path() + "/latchkey.db"}, wall, log);
    EXPECT_TRUE(opened) << opened.error().text;
    store = std::move(*opened);
    registry = std::make_unique<store::Registry>(*store, wall);
    set("notices.webhook_url", "https://hook.example/secret-part");
    set("notices.wait", "60s");
  }
  void set(std::string key, std::string value) {
    const auto done = store::wait_for(registry->set(std::move(key), std::move(value), {.actor = "berta", .source = "192.0.2.1"}));
    ASSERT_TRUE(done) << done.error().text;
  }
  Task<void> read(std::string key, Bytes& into) { into = *co_await store->meta(std::move(key)); }
  void pass(Seconds span) {
    wall.advance(span);
    steady.advance(span);
  }

  store::TemporaryDirectory folder;
  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  base::SeededEntropy entropy{42};
  base::MemoryLog log;
  vault::Vault vault{Secret(Bytes(32, 7)), entropy};
  Sealing sealing{vault};
  Receiver receiver;
  NoRelay relay;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::Registry> registry;
  const NodeId a = NodeId::make(wall.now(), entropy);
  const NodeId b = NodeId::make(wall.now(), entropy);
};

TEST_F(NoticesTest, AServerDoesNotSayThatAnothersCauseIsOver) {
  Server first(*this, a, "alpha");
  first.alerts.raise("journal_failed", "The disk refused.");
  pass(60s);
  first.look();
  EXPECT_THAT(receiver.told, ElementsAre("alert.begun journal_failed"));
  EXPECT_THAT(receiver.words, HasSubstr("the server alpha")) << "whose disk";
  Server second(*this, b, "beta");
  for (int n = 0; n < 20; ++n) {
    pass(60s);
    second.look();
  }
  EXPECT_EQ(receiver.told.size(), 1U) << receiver.told.back();
  // Its own it still knows after a restart, and says when it is over.
  Server again(*this, a, "alpha");
  for (int n = 0; n < 20; ++n) {
    pass(60s);
    again.look();
  }
  EXPECT_THAT(receiver.told, ElementsAre("alert.begun journal_failed", "alert.resolved journal_failed"));
}

TEST_F(NoticesTest, AMendedChannelDoesNotWaitForItsBackOff) {
  Server server(*this);
  server.alerts.raise("journal_failed", "The disk refused.");
  receiver.status = 500;
  pass(60s);
  const auto fail_for_an_hour = [&] {
    for (int n = 0; n < 720; ++n) {
      pass(5s);
      server.look();
    }
    const auto calls = receiver.calls;
    pass(5s);
    server.look();
    ASSERT_EQ(receiver.calls, calls) << "it waits";
  };
  fail_for_an_hour();
  EXPECT_EQ(server.alerts.current().size(), 2U);
  auto before = receiver.calls;
  set("notices.webhook_url", "https://other.example/hook");
  server.look();
  EXPECT_EQ(receiver.calls, before + 1) << "another address";
  fail_for_an_hour();
  before = receiver.calls;
  // By another server.
  Server other(*this, NodeId::make(wall.now(), entropy), "beta");
  const auto set_there = store::wait_for(other.notices.set_secret(Channel::webhook, Secret("a-signing-secret"), "berta", "192.0.2.1"));
  ASSERT_TRUE(set_there) << set_there.error().text;
  receiver.status = 200;
  server.look();
  EXPECT_EQ(receiver.calls, before + 1) << "another secret";
  EXPECT_THAT(receiver.told, ElementsAre("alert.begun journal_failed"));
  EXPECT_EQ(server.alerts.current().size(), 1U) << "and is no alert any more";
}

TEST_F(NoticesTest, ACauseThatTwoServersSeeIsToldOnceAndIsOverWhenTheLastSeesItNoMore) {
  Server first(*this, a, "alpha");
  Server second(*this, b, "beta");
  for (auto* server : {&first, &second}) server->alerts.raise("app_secret_expires:box", "The secret runs out.");
  pass(60s);
  // Both at once: the other one looks while the first one's notice is under way.
  receiver.meanwhile = [&] { return second.notices.tell_all(); };
  first.look();
  second.look();
  EXPECT_THAT(receiver.told, ElementsAre("alert.begun app_secret_expires:box"));
  EXPECT_THAT(receiver.words, HasSubstr("Told by the server alpha"));
  const auto look_for_half_an_hour = [&] {
    for (int n = 0; n < 30; ++n) {
      pass(60s);
      first.look();
      second.look();
    }
  };
  first.alerts.clear("app_secret_expires:box");
  look_for_half_an_hour();
  EXPECT_EQ(receiver.told.size(), 1U) << "the second server sees it still: " << receiver.told.back();
  second.alerts.clear("app_secret_expires:box");
  look_for_half_an_hour();
  EXPECT_THAT(receiver.told, ElementsAre("alert.begun app_secret_expires:box", "alert.resolved app_secret_expires:box"));
}

TEST_F(NoticesTest, TwoServersThatClaimAtOnceTellOnce) {
  Server first(*this, a, "alpha");
  Server second(*this, b, "beta");
  for (auto* server : {&first, &second}) server->alerts.raise("app_secret_expires:box", "The secret runs out.");
  pass(60s);
  std::vector<Task<void>> both;
  both.push_back(first.notices.tell_all());
  both.push_back(second.notices.tell_all());
  store::wait_for_all(std::move(both));
  EXPECT_THAT(receiver.told, ElementsAre("alert.begun app_secret_expires:box"));
}

TEST_F(NoticesTest, WhatBelongsToEachServerIsToldByEachUnderItsName) {
  Server first(*this, a, "alpha");
  Server second(*this, b, "beta");
  for (auto* server : {&first, &second}) server->alerts.raise("journal_failed", "The disk refused.");
  pass(60s);
  first.look();
  EXPECT_THAT(receiver.words, HasSubstr("about the server alpha"));
  second.look();
  EXPECT_THAT(receiver.words, HasSubstr("about the server beta"));
  first.alerts.clear("journal_failed");
  for (int n = 0; n < 3; ++n) {
    pass(60s);
    first.look();
    second.look();
  }
  EXPECT_THAT(receiver.told, ElementsAre("alert.begun journal_failed", "alert.begun journal_failed", "alert.resolved journal_failed"));
}

TEST_F(NoticesTest, WhatAServerClaimedBeforeItDiedIsToldByAnother) {
  auto first = std::make_unique<Server>(*this, a, "alpha");
  Server second(*this, b, "beta");
  first->alerts.raise("provider_unreachable:box", "The provider does not answer.");
  second.look();
  pass(60s);
  // The claim is in the store before anything is sent, and that is all that is left of it.
  Bytes claimed;
  const auto key = book_key(Channel::webhook, std::nullopt);
  receiver.meanwhile = [&] { return read(key, claimed); };
  receiver.status = 500;
  first->look();
  ASSERT_FALSE(claimed.empty());
  first.reset();
  ASSERT_TRUE(store::wait_for(store->commit({store::PutMeta{key, claimed}})));
  receiver.status = 200;
  pass(60s);
  second.look();
  EXPECT_THAT(receiver.told, IsEmpty()) << "it may be under way";
  pass(60s);
  second.look();
  EXPECT_THAT(receiver.told, ElementsAre("alert.begun provider_unreachable:box"));
}

TEST_F(NoticesTest, WhatOneServerCannotTellAnotherTells) {
  Server first(*this, a, "alpha");
  Server second(*this, b, "beta");
  first.alerts.raise("uncertain", "An answer was lost.");
  receiver.status = 500;
  for (int n = 0; n < 3; ++n) {
    pass(60s);
    first.look();
  }
  ASSERT_EQ(first.alerts.current().size(), 2U) << "its channel is an alert";
  receiver.status = 200;
  pass(1s);
  second.look();
  EXPECT_THAT(receiver.told, ElementsAre("alert.begun uncertain"));
  pass(1s);
  first.look();
  EXPECT_EQ(first.alerts.current().size(), 1U) << "notices do arrive";
}

// What was delivered while a clock ran ahead lies in the future once it is set right: no reason to think that a failing channel is mended.
TEST_F(NoticesTest, R24_AFailingChannelIsNotTriedInALoopAfterAClockRanAhead) {
  Server server(*this, a, "alpha");
  wall.advance(2h);
  server.alerts.raise("uncertain", "An answer was lost.");
  for (int n = 0; n < 2; ++n) {
    server.look();
    pass(60s);
  }
  ASSERT_THAT(receiver.told, ElementsAre("alert.begun uncertain"));
  wall.advance(-2h);
  receiver.status = 500;
  server.alerts.raise("provider_unreachable:box", "It does not answer.");
  pass(120s);
  server.look();
  const int calls = receiver.calls;
  for (int n = 0; n < 5; ++n) {
    pass(1s);
    server.look();
  }
  EXPECT_EQ(receiver.calls, calls) << "it backs off";
  receiver.status = 200;
  pass(300s);
  server.look();
  EXPECT_THAT(receiver.told, testing::Contains("alert.begun provider_unreachable:box"));
}

TEST_F(NoticesTest, R24_WhatLeavesTheServerIsStampedByTheWallClockThoughItWasAheadForASecond) {
  const PrudentClock prudent(wall, steady);
  Server server(*this, prudent);
  wall.advance(1h);
  ASSERT_EQ(prudent.now(), wall.now());
  wall.advance(-1h);
  ASSERT_EQ(prudent.now(), wall.now() + 1h) << "it stays ahead";
  server.alerts.raise("journal_failed", "The disk refused.");
  pass(60s);
  server.look();
  ASSERT_THAT(receiver.told, ElementsAre("alert.begun journal_failed"));
  EXPECT_EQ(receiver.timestamp, std::to_string(base::to_unix_ms(wall.now()) / 1000));
  EXPECT_EQ(receiver.at, base::to_rfc3339(wall.now()));
  EXPECT_EQ(receiver.since, receiver.at) << "and nothing has begun later than now";
  set("notices.smtp_host", "relay.example");
  set("notices.mail_to", "anna@office.example");
  ASSERT_FALSE(store::wait_for(server.notices.test(Channel::mail)));
  EXPECT_THAT(relay.message, testing::ContainsRegex("Date: .* " + base::to_rfc3339(wall.now()).substr(11, 8)));
  ASSERT_FALSE(store::wait_for(server.notices.mail_person({.to = "berta@office.example", .subject = "A link", .text = "Here."})));
  EXPECT_THAT(relay.message, testing::AllOf(HasSubstr("A link"), testing::ContainsRegex("Date: .* " + base::to_rfc3339(wall.now()).substr(11, 8))));
}

TEST_F(NoticesTest, BooksOfAVersionThatSharedNoneAreTakenOver) {
  // Two servers have told the same, each by a book of its own.
  const auto since = base::to_rfc3339(wall.now());
  const auto entry = R"({"words":"w","since":")" + since + R"(","told_at":")" + since + R"(","number":0,"passes":false})";
  const auto old_book = base::to_bytes(R"({"causes":{"app_secret_expires:box":)" + entry + R"(,"journal_failed":)" + entry + "}}");
  ASSERT_TRUE(store::wait_for(store->commit({store::PutMeta{book_key(Channel::webhook, a), old_book}, store::PutMeta{book_key(Channel::webhook, b), old_book}})));
  pass(1h);
  Server first(*this, a, "alpha");
  Server second(*this, b, "beta");
  first.alerts.raise("journal_failed", "The disk refused.");
  first.alerts.raise("app_secret_expires:box", "The secret runs out.");
  pass(60s);
  for (int n = 0; n < 5; ++n) {
    pass(60s);
    first.look();
    second.look();
  }
  EXPECT_THAT(receiver.told, IsEmpty());
  const auto own = NoticeBook::from_json(base::as_text(*store::wait_for(store->meta(book_key(Channel::webhook, a)))));
  EXPECT_EQ(own.size(), 1U) << "what is the server's own";
  first.alerts.clear("app_secret_expires:box");
  for (int n = 0; n < 20; ++n) {
    pass(60s);
    first.look();
    second.look();
  }
  EXPECT_THAT(receiver.told, testing::UnorderedElementsAre("alert.resolved app_secret_expires:box", "alert.resolved journal_failed")) << "beta's disk";
}

}  // namespace
}  // namespace latchkey::grants
