#include "grants/lookout.h"

#include <gmock/gmock.h>

#include "grants/alert_kinds.h"
#include "grants/keeper_testing.h"
#include "grants/refusing_store_testing.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_testing.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PaintedHealth final : public HealthDesk {
 public:
  Task<Result<std::shared_ptr<const HealthPicture>>> look() override { co_return std::make_shared<const HealthPicture>(picture); }
  HealthPicture picture;
};

class KnownNodes final : public NodeDesk {
 public:
  Task<Result<std::vector<NodeView>>> list() override { co_return views; }
  Task<Result<void>> forget(NodeId, Requester) override { co_return Result<void>{}; }
  std::vector<NodeView> views;
};

class LookoutTest : public testing::Test {
 protected:
  LookoutTest() {
    auto opened = store::open_sqlite_store({.path = folder.path() + "/latchkey.db"}, wall, log);
    EXPECT_TRUE(opened) << opened.error().text;
    store = std::make_unique<RefusingStore>(std::move(*opened));
    lookout = std::make_unique<Lookout>(
        Lookout::Parts{.store = *store, .health = health, .sealing = sealing, .nodes = &nodes, .alerts = alerts, .wall = wall, .steady = steady});
    health.picture.apps.push_back({.id = "box", .provider = "box", .client_id = "c", .created_at = wall.now(), .version = 0});
  }
  // The causes that stand after a look, `later` than the last one.
  std::vector<std::string> look(Seconds later = 0s) {
    wall.advance(later);
    steady.advance(later);
    std::vector<Task<void>> tasks;
    tasks.push_back(lookout->look(true));
    store::wait_for_all(std::move(tasks));
    std::vector<std::string> causes;
    for (const auto& alert : alerts.current()) causes.push_back(alert.cause);
    return causes;
  }
  std::string words() const {
    const auto all = alerts.current();
    return all.empty() ? "" : all.front().words;
  }
  void ended(std::int64_t count) { health.picture.until_expiry = {{.from = std::nullopt, .until = 0s, .count = count}}; }
  void failures(int count, bool open = false) { health.picture.circuits = {{.app = "box", .open = open, .failures = count, .since = {}, .next_try_at = {}}}; }

  store::TemporaryDirectory folder;
  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  base::MemoryLog log;
  base::SeededEntropy entropy{42};
  vault::Vault vault{Secret(Bytes(32, 7)), entropy};
  Sealing sealing{vault};
  Alerts alerts{wall, log};
  std::unique_ptr<RefusingStore> store;
  PaintedHealth health;
  KnownNodes nodes;
  std::unique_ptr<Lookout> lookout;
};

TEST_F(LookoutTest, TokensThatHaveEndedAreAnAlertOnceARefreshHadItsTime) {
  ended(7);
  EXPECT_THAT(look(), IsEmpty()) << "a start after a stop finds many that are due";
  ended(0);
  EXPECT_THAT(look(179s), IsEmpty());
  ended(7);
  EXPECT_THAT(look(1s), IsEmpty()) << "counted anew";
  EXPECT_THAT(look(180s), ElementsAre("tokens_ended"));
  EXPECT_THAT(words(), HasSubstr("7 accounts have no token"));
  EXPECT_EQ(alerts.current().front().number, 7);
  EXPECT_EQ(kind_of_alert("tokens_ended").severity, Severity::critical);
  ended(0);
  EXPECT_THAT(look(10s), IsEmpty());
}

TEST_F(LookoutTest, AnOpenCircuitIsAnAlertAtOnceAndAFewFailuresAreOneWhenTheyLast) {
  failures(5, true);
  EXPECT_THAT(look(), ElementsAre("provider_unreachable:box"));
  EXPECT_THAT(words(), HasSubstr("5 failures in a row"));
  failures(0);
  EXPECT_THAT(look(10s), IsEmpty());
  failures(1);
  EXPECT_THAT(look(10s), IsEmpty());
  EXPECT_THAT(look(299s), IsEmpty());
  EXPECT_THAT(look(1s), ElementsAre("provider_unreachable:box")) << "told to wait for long: its circuit never opens";
  health.picture.apps.front().paused = true;
  EXPECT_THAT(look(10s), IsEmpty()) << "app_misconfigured says it";
  health.picture.apps.front().paused = false;
  failures(9, true);
  EXPECT_THAT(look(10s), ElementsAre("provider_unreachable:box"));
  health.picture.apps.clear();
  EXPECT_THAT(look(10s), IsEmpty()) << "removed";
}

TEST_F(LookoutTest, AStoreThatIsAwayIsAnAlertAndLeavesTheOthersAsTheyWere) {
  failures(5, true);
  ASSERT_THAT(look(), ElementsAre("provider_unreachable:box"));
  store->away = true;
  failures(0);
  EXPECT_THAT(look(2s), ElementsAre("provider_unreachable:box")) << "a line may break";
  EXPECT_THAT(look(4s), ElementsAre("provider_unreachable:box", "store_unreachable"));
  EXPECT_EQ(kind_of_alert("store_unreachable").severity, Severity::critical);
  store->away = false;
  EXPECT_THAT(look(2s), IsEmpty());
}

TEST_F(LookoutTest, ASilentServerIsAnAlertUntilItIsBackStoppedOrForgotten) {
  base::SystemEntropy entropy;
  NodeView view{.node = {.id = NodeId::make(wall.now(), entropy), .name = "tiger"}, .alive = true, .open_exchanges = 2};
  nodes.views = {view};
  EXPECT_THAT(look(), IsEmpty());
  nodes.views.front().alive = false;
  EXPECT_THAT(look(10s), IsEmpty()) << "the database may have been away";
  const auto cause = "node_silent:" + view.node.id.text();
  EXPECT_THAT(look(10s), ElementsAre(cause));
  EXPECT_THAT(words(), AllOf(HasSubstr("tiger"), HasSubstr("2 refreshes it had begun wait"), HasSubstr("latchkey node forget")));
  nodes.views.front().stopped = true;
  EXPECT_THAT(look(10s), IsEmpty());
  nodes.views.front().stopped = false;
  look(10s);
  EXPECT_THAT(look(10s), ElementsAre(cause));
  nodes.views.clear();
  EXPECT_THAT(look(10s), IsEmpty()) << "forgotten";
}

class Altered : public KeeperHouse {
 protected:
  std::vector<std::string> look() {
    HealthGlance glance(*store, *keeper, wall);
    Lookout lookout({.store = *store, .health = glance, .sealing = sealing, .nodes = nullptr, .alerts = alerts, .wall = wall, .steady = steady});
    run(once(lookout));
    std::vector<std::string> causes;
    for (const auto& alert : alerts.current()) causes.push_back(alert.cause);
    return causes;
  }
  static Task<bool> once(Lookout& lookout) {
    co_await lookout.look(true);
    co_return true;
  }
  store::Grant alter(GrantId id) {
    auto grant = view(id).grant;
    grant.account_id = "somebody-else";
    commit({store::UpdateGrant{grant}});
    EXPECT_EQ(refresh(id).error().reason, "record_altered");
    return view(id).grant;
  }
};

TEST_F(Altered, P6_ARecordIsAnAlertWithARemedyUntilItIsGoneOrGoodAgain) {
  const auto gone = put_grant("acme-family");
  const auto mended = put_grant("acme-family");
  const auto app_of = put_grant("acme-family");
  alter(gone.id);
  auto record = alter(mended.id);
  const auto gone_cause = "record_altered:grant:" + gone.id.text();
  const auto mended_cause = "record_altered:grant:" + mended.id.text();
  EXPECT_THAT(look(), testing::UnorderedElementsAre(gone_cause, mended_cause)) << "they are as they were";
  EXPECT_THAT(alerts.current().front().words, HasSubstr("delete it on its user's page"));
  EXPECT_EQ(kind_of_alert(gone_cause).severity, Severity::critical);
  commit({store::DeleteGrant{gone.id}});
  EXPECT_THAT(look(), ElementsAre(mended_cause));
  sealing.vouch(record);
  commit({store::UpdateGrant{record}});
  EXPECT_THAT(look(), IsEmpty());

  auto app = **run(store->app("acme"));
  app.client_id = "another";
  commit({store::PutApp{app}});
  clients->forget("acme");
  EXPECT_FALSE(refresh(app_of.id));
  EXPECT_THAT(look(), ElementsAre("record_altered:app:acme"));
  app = **run(store->app("acme"));
  sealing.vouch(app);
  commit({store::PutApp{app}});
  EXPECT_THAT(look(), IsEmpty());
}

class Glance : public KeeperHouse {};

TEST_F(Glance, SeesWhichTokensHaveEndedAsOfNow) {
  put_grant("acme-family");
  put_grant("acme-family");
  HealthGlance glance(*store, *keeper, wall);
  const auto ended = [&] { return (*run(glance.look()))->until_expiry.front().count; };
  EXPECT_EQ(ended(), 0);
  wall.advance(24h);
  EXPECT_EQ(ended(), 2) << "nothing is kept of an earlier look";
  EXPECT_FALSE((*run(glance.look()))->apps.empty());
}

TEST(AlertKinds, WhatStopsThisServerIsCritical) {
  for (const auto* cause : {"node_name_taken", "node_shut_out", "journal_failed", "store_unreachable", "store_stopped", "tokens_ended"}) {
    EXPECT_EQ(kind_of_alert(cause).severity, Severity::critical) << cause;
    EXPECT_FALSE(kind_of_alert(cause).dismissible) << cause;
  }
}

}  // namespace
}  // namespace latchkey::grants
