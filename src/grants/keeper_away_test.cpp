// A server that slept, or was off, while its grants came due (RULES R24, R26); and who is told of an answer that was lost
// (R1).
#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using store::GrantState;
using T = ScriptedTransport;
using std::chrono::days;

// A provider that forgets a refresh token that was not used for 60 days.
constexpr std::string_view kForgetful = R"({
  "schema": 1, "id": "forgetful", "name": "Forgetful", "seen_on": "2026-11-23",
  "endpoints": {"issuer": "https://forgetful.example", "authorization": "https://forgetful.example/authorize", "token": "https://forgetful.example/token"},
  "client_authentication": ["client_secret_post"], "pkce": true, "code_lifetime_s": 60,
  "redirect": {"https_required": true, "http_localhost": true, "note": "none"},
  "account": {"source": "reply", "id": ["account"], "name": ["account"]},
  "steps": [{"text": "one"}, {"text": "two"}, {"text": "three"}],
  "types": [
    {"id": "forgetful", "name": "Forgetful", "kind": "storage", "scopes": {"request": [{"scope": "files", "why": "x"}]},
     "resource": "https://forgetful.example", "rotation": "single_use", "replay": "revokes_family", "idle_lifetime_days": 60}
  ]})";

class Away : public KeeperHouse {
 protected:
  bool raised(std::string_view cause) {
    const auto current = alerts.current();
    return std::ranges::any_of(current, [&](const Alert& alert) { return alert.cause == cause; });
  }
};

TEST_F(Away, R1_AnAnswerThatWasLostIsAnAlertUntilTheGrantIsSoundAgain) {
  const auto grant = put_grant("acme-family");
  ASSERT_TRUE(run(keeper->start()));
  EXPECT_FALSE(raised("uncertain"));
  transport.then(T::lost());
  ASSERT_TRUE(refresh(grant.id));
  ASSERT_EQ(view(grant.id).grant.state, GrantState::uncertain);
  base::drive_until(loop, [&] {
    keeper->nudge();
    return raised("uncertain");
  });
  commit({store::DeleteGrant{grant.id}});
  advance(61s);
  base::drive_until(loop, [&] {
    keeper->nudge();
    return !raised("uncertain");
  });
}

// A million grants of a paused app are due and cannot be refreshed: looking past them takes a second.
TEST_F(Away, R21_ASweepThatTakesLongForNothingIsNotRepeatedAtOnce) {
  int sweeps = 0;
  door->sweeping = [&](const std::vector<std::string>&) {
    ++sweeps;
    steady.advance(1s);
  };
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return sweeps == 1; });
  for (int turn = 0; turn < 20; ++turn) {
    steady.advance(400ms);
    loop.run_for(1ms);
  }
  EXPECT_EQ(sweeps, 1) << "8 s later";
  base::drive_until(loop, [&] {
    steady.advance(100ms);
    return sweeps == 2;
  });
  keeper->nudge();
  base::drive_until(loop, [&] { return sweeps == 3; });  // something has fallen due: at once
}

// A backlog of one-shot grants, of which a few may be under way at a time: each that ends makes room for another, though it
// takes a second to look behind all that wait.
TEST_F(Away, F4_ABacklogOfOneShotGrantsIsWorkedOffAsFastAsItsPlacesLet) {
  constexpr int kGrants = 2000;
  for (int block = 0; block < kGrants / 500; ++block) {
    store::Batch batch;
    for (int i = 0; i < 500; ++i) add_grant(batch, "acme-family", 600s);
    commit(std::move(batch));
  }
  int sweeps = 0;
  int looks_behind = 0;
  door->sweeping = [&](const std::vector<std::string>& without_apps) {
    ++sweeps;
    if (without_apps.empty()) return;
    ++looks_behind;
    steady.advance(1s);
  };
  ASSERT_TRUE(run(keeper->start()));
  advance(600s);
  keeper->nudge();
  base::drive_until(
      loop, [&] { return counters.refreshed > kGrants - 600; });  // more than one look asks for; the clocks stand still
  EXPECT_LE(transport.most_at_once, 32);
  EXPECT_LT(sweeps, kGrants / 4) << "not one for each that ends";
  EXPECT_LE(looks_behind, 5);
}

// A suspended machine: the wall clock has gone on, the one that waits has not. All of them are overdue at once.
TEST_F(Away, R24_AfterThreeDaysOfSleepThereIsNoStampede) {
  constexpr int kGrants = 3000;
  for (int block = 0; block < kGrants / 500; ++block) {
    store::Batch batch;
    for (int i = 0; i < 500; ++i) add_grant(batch, "strict");
    commit(std::move(batch));
  }
  ASSERT_TRUE(run(keeper->start()));
  wall.advance(days(3));
  int seconds = 0;
  for (; seconds < 120 && counters.refreshed < kGrants; ++seconds) {
    sweep();
    base::drive_until(loop, [&] { return counters.in_flight == 0; });
    // The cap is 6000 a minute: a tenth at once, then 100 a second.
    ASSERT_LE(transport.bodies.size(), 600u + 100u * static_cast<std::size_t>(seconds + 1));
    advance(1s);
  }
  EXPECT_EQ(counters.refreshed, kGrants);
  EXPECT_EQ(transport.bodies.size(), static_cast<std::size_t>(kGrants)) << "each is asked for once";
  EXPECT_LE(transport.most_at_once, 32);
  EXPECT_GE(seconds, 20);
}

TEST_F(Away, R26_ATokenWhoseTimeCameWhileTheServerWasOffIsUsedBeforeItIsForgotten) {
  const auto with_forgetful = catalogue->with_file("forgetful.json", kForgetful);
  ASSERT_TRUE(with_forgetful) << with_forgetful.error().text;
  catalogue = *with_forgetful;
  polling = [](std::string_view) { return Seconds(days(1000)); };
  begin_anew();
  put_app("forgetful", 1, "forgetful");
  const auto grant = put_grant("forgetful");
  transport.then(T::json(
      200, R"({"access_token":"at2","token_type":"Bearer","expires_in":17280000,"refresh_token":"rt2"})"));  // 200 days
  ASSERT_TRUE(refresh(grant.id));
  const auto used = wall.now();
  const auto due = view(grant.id).grant.due_at;
  ASSERT_TRUE(due);
  EXPECT_LE(*due, used + days(30)) << "half of what the provider allows";
  EXPECT_GT(*due, used + days(20));

  // Off from before it was due until the day before the provider forgets it.
  run(stop_keeper());
  advance(std::chrono::duration_cast<Seconds>(days(59)));
  start();
  ASSERT_TRUE(run(keeper->start()));
  for (int seconds = 0; seconds < 120 && transport.posts_with("rt2") == 0; ++seconds) {
    keeper->nudge();
    loop.run_for(2ms);
    advance(1s);
  }
  base::drive_until(loop, [&] { return counters.refreshed == 2 && counters.in_flight == 0; });
  EXPECT_EQ(transport.posts_with("rt2"), 1);
  EXPECT_LT(wall.now(), used + days(60));
  EXPECT_EQ(view(grant.id).grant.state, GrantState::active);
}

}  // namespace
}  // namespace latchkey::grants
