#include "grants/notices.h"

#include <gmock/gmock.h>

#include "base/fakes_testing.h"
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
    if (status == 200) told.push_back(std::string(body->at("event").as_string()) + " " + std::string(body->at("cause").as_string()));
    words = std::string(body->at("detail").as_string());
    ++calls;
    co_return net::Reply{.status = status};
  }
  int status = 200;
  int calls = 0;
  std::vector<std::string> told;
  std::string words;
};

class NoRelay final : public net::MailClient {
 public:
  Task<Result<net::MailTaken>> send(net::MailCall) override { co_return fail(ErrorKind::unavailable, "connect_failed", "No relay."); }
};

class NoticesTest : public testing::Test {
 protected:
  // One server's process.
  struct Server {
    explicit Server(NoticesTest& ground, std::optional<NodeId> node = {}, std::string machine = {})
        : alerts(ground.wall, ground.log),
          notices({.store = *ground.store, .registry = *ground.registry, .sealing = ground.sealing, .transport = ground.receiver, .mail = ground.relay,
                   .alerts = alerts, .wall = ground.wall, .steady = ground.steady, .entropy = ground.entropy, .log = ground.log,
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
};

TEST_F(NoticesTest, AServerDoesNotSayThatAnothersCauseIsOver) {
  const auto a = NodeId::make(wall.now(), entropy);
  const auto b = NodeId::make(wall.now(), entropy);
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

}  // namespace
}  // namespace latchkey::grants
