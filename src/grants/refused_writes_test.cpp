// The alerts of a disk that took nothing end when it takes something, whether or not anything is refreshed.
#include "grants/refused_writes.h"

#include <gmock/gmock.h>

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

class RefusedHouse : public KeeperHouse {
 protected:
  // A grant whose refresh the disk refuses, once.
  void refuse_a_refresh() {
    grant = put_grant("acme-family");
    ASSERT_TRUE(run(keeper->start()));
    door->refuses = [this](const store::Batch&) { return store_full; };
    store_full = !journal.full;
    EXPECT_FALSE(refresh(grant.id));
    ASSERT_EQ(alerts.current().size(), 1u);
  }
  void pass(int seconds) {
    for (int second = 0; second < seconds; ++second) {
      steady.advance(1s);
      for (int turn = 0; turn < 5; ++turn) loop.run_for(1ms);
    }
  }
  void assert_the_alert_ends() {
    base::drive_until(loop, [&] {
      steady.advance(100ms);
      return alerts.current().empty();
    });
    EXPECT_TRUE(transport.bodies.empty()) << "nothing was refreshed";
  }

  store::Grant grant;
  bool store_full = false;
};

TEST_F(RefusedHouse, R4_TheAlertOfAFullDiskEndsThoughTheOnlyGrantWasDeleted) {
  refuse_a_refresh();
  pass(30);
  ASSERT_EQ(alerts.current().size(), 1u) << "nothing has been taken since";
  store_full = false;
  commit({store::DeleteGrant{grant.id}});
  assert_the_alert_ends();
}

TEST_F(RefusedHouse, R4_TheAlertOfAFullJournalEndsThoughTheOnlyGrantWasDeleted) {
  journal.full = true;
  refuse_a_refresh();
  ASSERT_EQ(alerts.current().front().cause, "journal_full");
  commit({store::DeleteGrant{grant.id}});
  pass(30);
  ASSERT_EQ(alerts.current().size(), 1u) << "that the store takes something says nothing about the journal";
  journal.full = false;
  assert_the_alert_ends();
  EXPECT_TRUE(journal.reserved.empty()) << "the place is given back";
}

TEST_F(RefusedHouse, R4_WhoeverIsStillRefusedKeepsTheAlertUp) {
  refuse_a_refresh();
  door->refuses = [](const store::Batch& batch) { return !holds<store::AddTally>(batch); };
  for (int again = 0; again < 10; ++again) {
    const auto asked = base::start_on(loop, keeper->refresh_now(grant.id));  // without time passing
    base::drive_until(loop, [&] { return asked->has_value(); });
    EXPECT_FALSE(**asked);
    EXPECT_EQ(alerts.current().size(), 1u);
    pass(3);
  }
  EXPECT_EQ(logged("alert_cleared"), 0);
}

}  // namespace
}  // namespace latchkey::grants
