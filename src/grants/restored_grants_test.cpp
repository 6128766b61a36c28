// Who must authorise again after a restore, and when they hear of it (F10).
#include "grants/restored_grants.h"

#include <gmock/gmock.h>

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using store::GrantState;

class RestoredGrantsHouse : public KeeperHouse {
 protected:
  store::Grant put_restored(const std::string& type) {
    const auto grant = put_grant(type);
    commit(mark_restored(view(grant.id), IntentId::make(wall.now(), entropy), wall.now(), wall.now()));
    return grant;
  }
  void note(bool nothing_ran_since) {
    const std::string text = nothing_ran_since ? R"({"nothing_ran_since":true})" : R"({"nothing_ran_since":false})";
    commit({store::PutMeta{std::string(kRestoredMeta), base::to_bytes(text)}});
  }
  // To its end: the task's own wait passes at once.
  void ask() {
    RestoredGrants asking(*store, catalogue, *keeper, log);
    bool over = false;
    TaskGroup tasks(loop.get_executor(), log);
    tasks.spawn("ask", asked(asking, steady, over));
    const auto begun = steady.now();
    base::drive_until(loop, [&] {
      if (!over && steady.now() < begun + 10s) {
        if (const auto wake = steady.next_wake(); wake && *wake <= begun + 10s) steady.advance(*wake - steady.now());
      }
      return over;
    });
  }
  static Task<void> asked(RestoredGrants& asking, SteadyClock& steady, bool& over) {
    co_await asking.ask(steady);
    over = true;
  }
  GrantState state_of(const store::Grant& grant) { return view(grant.id).grant.state; }
};

TEST_F(RestoredGrantsHouse, F10_WhoMustAuthoriseAgainHearsOfItSoonAfterTheStart) {
  const auto single_use = put_restored("acme-family");
  const auto harmless = put_restored("acme-harmless");
  const auto recovered = put_restored("acme-grace");
  const auto unmarked = put_grant("acme-family");
  journal.left_over.push_back(left_in_journal(IntentId::make(wall.now(), entropy), recovered.id, 1, wall.now(),
                                              R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  note(false);
  ASSERT_TRUE(run(keeper->start()));
  ask();
  const auto seen = view(single_use.id);
  EXPECT_EQ(seen.grant.state, GrantState::needs_authorization) << "an hour before its access token ends";
  EXPECT_THAT(seen.grant.why, testing::AllOf(testing::HasSubstr("Authorise the account again"),
                                             testing::HasSubstr("served until " + base::to_rfc3339(*single_use.access_expires_at).substr(0, 16))));
  EXPECT_EQ(access_token(seen), "at1") << "served meanwhile";
  EXPECT_EQ(state_of(harmless), GrantState::active);
  EXPECT_EQ(state_of(recovered), GrantState::active);
  EXPECT_EQ(refresh_token(view(recovered.id)), "rt2");
  EXPECT_EQ(state_of(unmarked), GrantState::active);
  EXPECT_EQ(transport.posts_with("rt1"), 0);
  base::drive_until(loop, [&] {
    const auto current = alerts.current();
    keeper->nudge();
    return std::ranges::any_of(current, [](const Alert& alert) { return alert.cause == "needs_authorization" && alert.words.starts_with("1 account"); });
  });
}

TEST_F(RestoredGrantsHouse, F10_AskedForOnceAfterEachRestore) {
  note(false);
  ask();
  const auto later = put_restored("acme-family");
  ask();
  EXPECT_EQ(state_of(later), GrantState::active) << "the same restore: it was done";
  commit({store::PutMeta{std::string(kRestoredMeta), base::to_bytes(R"({"restored_at":2})")}});
  ask();
  EXPECT_EQ(state_of(later), GrantState::needs_authorization) << "another one";
}

TEST_F(RestoredGrantsHouse, F10_NobodyIsAskedWhereNothingRanSince) {
  const auto grant = put_restored("acme-family");
  note(true);
  ask();
  EXPECT_EQ(state_of(grant), GrantState::active);
}

}  // namespace
}  // namespace latchkey::grants
