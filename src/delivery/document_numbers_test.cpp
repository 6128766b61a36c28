// Lines of numbers on a real store: many who ask at once, several servers, and commits whose answer is lost.
#include "delivery/document_numbers.h"

#include <algorithm>
#include <set>
#include <thread>

#include "grants/keeper_testing.h"
#include "store/store_testing.h"

namespace latchkey::delivery {
namespace {

class ALineOfNumbers : public grants::KeeperHouse {
 protected:
  void keep(const Result<std::int64_t>& number) {
    EXPECT_TRUE(number);
    const std::lock_guard lock(mutex);
    taken.push_back(number.value_or(-1));
  }
  Task<void> ask(DocumentNumbers& server) { keep(co_await server.take("scans")); }
  void ask_at_once(std::vector<DocumentNumbers*> servers, int count) {
    std::vector<Task<void>> tasks;
    for (int i = 0; i < count; ++i) tasks.push_back(ask(*servers[static_cast<std::size_t>(i) % servers.size()]));
    store::wait_for_all(std::move(tasks));
  }
  std::int64_t take(DocumentNumbers& server, std::string connector = "scans") { return run(server.take(std::move(connector))).value_or(-1); }
  [[nodiscard]] std::size_t different() const { return std::set<std::int64_t>(taken.begin(), taken.end()).size(); }

  DocumentNumbers numbers{*store};
  std::mutex mutex;
  std::vector<std::int64_t> taken;
};

TEST_F(ALineOfNumbers, BeginsAtOneAndGoesOnAfterARestart) {
  EXPECT_EQ(take(numbers), 1);
  EXPECT_EQ(take(numbers), 2);
  EXPECT_EQ(take(numbers, "bills"), 1) << "each connector has its own";
  DocumentNumbers next(*store);
  EXPECT_EQ(take(next), 3);
}

TEST_F(ALineOfNumbers, GivesWhoAskAtOnceDifferentNumbersInFewCommits) {
  std::atomic<int> commits = 0;
  door->written = [&](const store::Batch&) { commits += 1; };
  ask_at_once({&numbers}, 50);
  EXPECT_EQ(different(), 50U);
  EXPECT_EQ(std::ranges::max(taken), 50) << "none is left out";
  EXPECT_LE(commits, 5) << "the first alone, then all who came meanwhile";
}

TEST_F(ALineOfNumbers, IsOneForAllServersOfAStore) {
  DocumentNumbers other(*store);
  DocumentNumbers third(*store);
  std::vector<std::thread> threads;
  for (auto* server : {&numbers, &other, &third}) {
    threads.emplace_back([this, server] {
      for (int i = 0; i < 50; ++i) keep(store::wait_for(server->take("scans")));
    });
  }
  for (auto& thread : threads) thread.join();
  ask_at_once({&numbers, &other, &third}, 60);
  EXPECT_EQ(taken.size(), 210U);
  EXPECT_EQ(different(), 210U);
}

TEST_F(ALineOfNumbers, NeverGivesANumberOfACommitWhoseAnswerWasLost) {
  EXPECT_EQ(take(numbers), 1);
  door->loses_answer = [lost = false](const store::Batch&) mutable { return !std::exchange(lost, true); };
  EXPECT_EQ(take(numbers), 3) << "2 may be somebody's";
  door->loses_answer = nullptr;
  EXPECT_EQ(take(numbers), 4);
}

TEST_F(ALineOfNumbers, OfAStoreThatIsAwayIsAnErrorAndNoNumber) {
  door->refuses = [](const store::Batch&) { return true; };
  EXPECT_EQ(run(numbers.take("scans")).error().reason, "store_unavailable");
  door->refuses = nullptr;
  EXPECT_EQ(take(numbers), 1);
  commit({store::PutMeta{"document_counter:scans", base::to_bytes("12x")}});
  EXPECT_EQ(run(numbers.take("scans")).error().reason, "record_altered");
}

}  // namespace
}  // namespace latchkey::delivery
