// Accounts that fail by themselves keep nobody else from being served (R19, R21).
#include "grants/odd_ones.h"

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using T = ScriptedTransport;

TEST(OddOnes, R19_WhoFailsWhileOthersAreServedSaysNothingOfAnybodyElse) {
  base::SeededEntropy entropy(1);
  const auto grant = [&] { return GrantId::make(WallTime(Milliseconds(1000)), entropy); };
  const auto bad = grant();
  const auto good = grant();
  OddOnes ones;
  EXPECT_TRUE(ones.note_failure(bad)) << "the first failure may be everybody's";
  EXPECT_TRUE(ones.note_failure(bad)) << "and so may the next, as long as nobody fares better";
  EXPECT_FALSE(ones.is_odd(bad));
  ones.note_served(good);
  EXPECT_FALSE(ones.note_failure(bad));
  EXPECT_TRUE(ones.note_failure(good)) << "who was served may tell of an outage";
  ones.note_served(bad);
  EXPECT_TRUE(ones.note_failure(bad));
}

class OddHouse : public KeeperHouse {
 protected:
  struct Scene {
    int good = 0;
    int bad = 0;
    int status = 400;
    std::string error;  // what the provider says of the bad ones
  };

  store::Grant add(store::Batch& batch, const std::string& token, Seconds age) {
    auto grant = add_grant(batch, "acme-harmless");
    grant.issued_at -= age;
    *grant.access_expires_at -= age;
    grant.due_at = grant.issued_at + 1200s;
    auto& generation = std::get<store::PutGeneration>(batch.back()).generation;
    generation.issued_at = grant.issued_at;
    generation.access_expires_at = grant.access_expires_at;
    generation.refresh_sealed = sealing.seal_refresh(grant, 1, {Secret(std::string_view(token)), Secret()});
    std::get<store::InsertGrant>(batch[batch.size() - 2]).grant = grant;
    return grant;
  }

  void begin(const Scene& scene) {
    store::Batch batch;
    for (int i = 0; i < scene.good; ++i) good.push_back(add(batch, "fine", Seconds(i * 1200 / scene.good)));
    for (int i = 0; i < scene.bad; ++i) add(batch, "bad" + std::to_string(i), Seconds(i * 1200 / scene.bad));
    commit(std::move(batch));
    for (int ahead = 0; ahead < 600; ++ahead) answer_next(scene.status, R"({"error":")" + scene.error + R"("})");
    ASSERT_TRUE(run(keeper->start()));
  }

  void answer_next(int status, std::string body) {
    transport.script.push_back([this, status, body](const std::string& sent) -> net::HttpOutcome {
      answer_next(status, body);
      if (sent.find("refresh_token=bad") == std::string::npos) return T::json(200, R"({"access_token":"at","token_type":"Bearer","expires_in":3600})");
      ++bad_posts;
      return T::json(status, body);
    });
  }

  // Looks every `look` for so long; `seen` after each.
  void live(Seconds span, const std::function<void()>& seen) {
    for (Seconds lived{0}; lived < span; lived += 1s) {
      sweep();
      base::drive_until(loop, [&] { return counters.in_flight == 0; });
      seen();
      advance(1s);
    }
    transport.script.clear();
  }

  int without_token() {
    return static_cast<int>(std::ranges::count_if(good, [&](const auto& grant) { return *view(grant.id).grant.access_expires_at <= wall.now(); }));
  }
  bool app_is_paused() { return (*run(store->app("acme")))->paused; }

  std::vector<store::Grant> good;
  int bad_posts = 0;
};

TEST_F(OddHouse, R19_AccountsThatAProviderRefusesInWordsOfItsOwnKeepNobodyElseFromBeingServed) {
  begin({.good = 10, .bad = 60, .status = 403, .error = "account_suspended"});
  int second = 0;
  int most = 0;
  live(3h, [&] {
    if (++second % 30 == 0) most = std::max(most, without_token());
  });
  EXPECT_EQ(most, 0) << "accounts without a token at once, of 10 in order";
  EXPECT_GT(counters.refreshed, 80) << "of some 100 in three hours";
  EXPECT_GT(bad_posts, 60) << "they are tried, too";
}

TEST_F(OddHouse, R21_AccountsWhoseRequestsAreRefusedPauseTheirAppOnceAndThenTheyAloneWait) {
  begin({.good = 20, .bad = 3, .error = "invalid_scope"});
  int paused = 0;
  int second = 0;
  live(3h, [&] {
    if (++second % 10 == 0) paused += app_is_paused() ? 1 : 0;
  });
  EXPECT_LE(paused, 40) << "looks, ten seconds apart: until the first probe, and no more";
  EXPECT_FALSE(app_is_paused());
  EXPECT_EQ(without_token(), 0);
  EXPECT_LT(bad_posts, 3 * 3 * 6) << "less and less often: every quarter of an hour";
  for (const auto& alert : alerts.current()) EXPECT_FALSE(alert.cause.starts_with("app_misconfigured"));
}

TEST_F(OddHouse, R21_ATenantThatShutsTheAppOutPausesItForNobodyElse) {
  begin({.good = 300, .bad = 1, .error = "unauthorized_client"});
  int paused = 0;
  int second = 0;
  live(2h, [&] {
    if (++second % 10 == 0) paused += app_is_paused() ? 1 : 0;
  });
  EXPECT_EQ(paused, 0) << "others are let in every few seconds";
  EXPECT_GT(bad_posts, 0);
}

TEST_F(OddHouse, R21_ARefusedClientStillPausesTheAppAtOnce) {
  begin({.good = 0, .bad = 5, .error = "invalid_client"});
  live(61min, [] {});
  EXPECT_TRUE(app_is_paused());
  EXPECT_LE(bad_posts, 20) << "a probe every five minutes";
}

TEST_F(OddHouse, R21_WhereNothingCanBeAskedForInAnAppsNameNotEachOfItsGrantsIsWrittenEveryMinute) {
  auto app = **run(store->app("acme"));
  app.secrets[0] = {};
  app.secrets[1] = {};
  sealing.vouch(app);
  store::Batch without;
  without.push_back(store::PutApp{app});
  commit(std::move(without));
  clients->forget("acme");
  store::Batch batch;
  for (int i = 0; i < 1000; ++i) add(batch, "fine", 1300s);
  commit(std::move(batch));
  ASSERT_TRUE(run(keeper->start()));
  const auto before = changes;
  live(10min, [] {});
  EXPECT_GT(changes - before, 64);
  EXPECT_LT(changes - before, 10 * 700) << "commits in ten minutes, of a thousand grants";
}

}  // namespace
}  // namespace latchkey::grants
