// Many who commit for one grant at once, on a real store.
#include "delivery/shared_commit.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <thread>

#include "base/task_group.h"
#include "grants/keeper_testing.h"
#include "store/store_testing.h"

namespace latchkey::delivery {
namespace {

class SharedCommitTest : public grants::KeeperHouse {
 protected:
  SharedCommitTest() : grant(put_grant("acme-harmless")), shared(*store) {}

  // What an acceptance is made of, as far as it matters: the grant as it is now, counted up, and a record of its own.
  Task<Result<store::Batch>> part(std::string name, Bytes expected) {
    made += 1;
    const auto view = co_await store->grant(grant.id);
    if (refused == name) co_return fail(ErrorKind::refused, "refused", "Not this one.");
    co_return store::Batch{store::UpdateGrant{(*view)->grant}, store::CompareMeta{name, std::move(expected)},
                           store::PutMeta{name, base::to_bytes("there")}};
  }
  Task<Result<void>> commit_one(std::string name, Bytes expected = {}) {
    auto make = [this, name, expected] { return part(name, expected); };
    co_return co_await shared.commit(std::move(make));
  }
  Task<void> remember(std::string name, Bytes expected) {
    auto done = co_await commit_one(name, expected);
    // As an acceptance does: the grant has been counted up by another meanwhile.
    while (!done && done.error().reason == "version") done = co_await commit_one(name, expected);
    outcomes[name] = done ? "done" : done.error().reason;
  }
  void all_at_once(const std::vector<std::pair<std::string, Bytes>>& names) {
    std::vector<Task<void>> tasks;
    for (const auto& [name, expected] : names) tasks.push_back(remember(name, expected));
    store::wait_for_all(std::move(tasks));
  }
  bool is_there(const std::string& name) { return run(store->meta(name)).value() == base::to_bytes("there"); }

  store::Grant grant;
  SharedCommit shared;
  std::string refused;
  std::atomic<int> made = 0;
  std::map<std::string, std::string> outcomes;
};

TEST_F(SharedCommitTest, ManyForOneGrantGoInFewCommitsAndNobodyIsTurnedAway) {
  std::atomic<int> commits = 0;
  door->written = [&](const store::Batch&) { commits += 1; };
  std::vector<std::pair<std::string, Bytes>> names;
  for (int i = 0; i < 32; ++i) names.emplace_back("n" + std::to_string(i), Bytes());
  all_at_once(names);
  for (const auto& [name, expected] : names) {
    EXPECT_EQ(outcomes[name], "done") << name;
    EXPECT_TRUE(is_there(name)) << name;
  }
  EXPECT_EQ(made, 32) << "each makes its part once";
  EXPECT_LE(commits, 3) << "the first alone, then all who came meanwhile";
  EXPECT_EQ(view(grant.id).grant.version, grant.version + commits);
}

TEST_F(SharedCommitTest, WhatOneDoesWrongIsNobodyElses) {
  refused = "n2";
  // n0 goes alone; the others are a group, of which n3 cannot be committed.
  all_at_once({{"n0", {}}, {"n1", {}}, {"n2", {}}, {"n3", base::to_bytes("something else")}});
  EXPECT_EQ(outcomes["n0"], "done");
  EXPECT_EQ(outcomes["n1"], "done");
  EXPECT_EQ(outcomes["n2"], "refused");
  EXPECT_EQ(outcomes["n3"], "meta");
  EXPECT_TRUE(is_there("n1"));
  EXPECT_FALSE(is_there("n2") || is_there("n3"));
  EXPECT_TRUE(run(commit_one("n4"))) << "and the next go on";
}

TEST_F(SharedCommitTest, AStatementThatTheStoreRefusesIsNobodyElses) {
  door->refuses_statement = [](const store::Batch& batch) {
    return std::ranges::any_of(batch, [](const store::Mutation& each) {
      const auto* put = std::get_if<store::PutMeta>(&each);
      return put != nullptr && put->key == "n2";
    });
  };
  all_at_once({{"n0", {}}, {"n1", {}}, {"n2", {}}, {"n3", {}}});
  EXPECT_EQ(outcomes["n1"], "done");
  EXPECT_EQ(outcomes["n2"], "store_bug");
  EXPECT_EQ(outcomes["n3"], "done");
  EXPECT_TRUE(is_there("n1") && is_there("n3"));
}

TEST_F(SharedCommitTest, AStoreThatIsAwayIsAskedOnceForTheGroup) {
  std::atomic<int> asked = 0;
  door->refuses = [&](const store::Batch&) {
    asked += 1;
    return true;
  };
  all_at_once({{"n0", {}}, {"n1", {}}, {"n2", {}}});
  for (const auto& [name, outcome] : outcomes) EXPECT_EQ(outcome, "store_unavailable") << name;
  EXPECT_EQ(asked, 2);
}

TEST_F(SharedCommitTest, FromManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> done = 0;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([this, thread, &done] {
      for (int i = 0; i < 25; ++i) {
        if (store::wait_for(commit_one("t" + std::to_string(thread) + "." + std::to_string(i)))) done += 1;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, 200);
  EXPECT_EQ(made, 200);
}

TEST_F(SharedCommitTest, WhoeverIsCutOffHoldsNobodyUp) {
  base::TaskGroup tasks(loop.get_executor(), log);
  bool is_cut = false;
  door->reading_grant = [&] {
    if (!std::exchange(is_cut, true)) boost::asio::co_spawn(loop, tasks.cancel_and_wait(), boost::asio::detached);
  };
  tasks.spawn("n0", remember("n0", {}));
  EXPECT_TRUE(run(commit_one("n1"))) << "waits behind the one that is cut off while it makes its part";
  EXPECT_TRUE(is_cut);
  EXPECT_FALSE(outcomes.contains("n0"));
  EXPECT_FALSE(is_there("n0"));
  EXPECT_EQ(tasks.running(), 0U);
  door->reading_grant = {};
}

}  // namespace
}  // namespace latchkey::delivery
