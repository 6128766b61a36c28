#include "vault/hot_cache.h"

#include <gtest/gtest.h>

#include <thread>

namespace latchkey::vault {
namespace {

class StillClock final : public SteadyClock {
 public:
  [[nodiscard]] SteadyTime now() const override { return time; }
  [[nodiscard]] Task<void> sleep_until(SteadyTime) override { co_return; }
  SteadyTime time{std::chrono::hours(1)};
};

template <class Tag>
base::Id<Tag> id_of(std::uint8_t octet) {
  base::IdOctets octets{};
  octets.fill(octet);
  return base::Id<Tag>(octets);
}
const auto kUser = id_of<base::UserTag>(1);
const auto kGrant = id_of<base::GrantTag>(1);

class HotCacheTest : public ::testing::Test {
 protected:
  base::SystemEntropy entropy;
  StillClock clock;
  HotCache cache{{.entries_max = 3, .lifetime = std::chrono::minutes(10)}, entropy, clock};
  Secret pin{"473829"}, wrong{"473828"}, key{"0123456789abcdef0123456789abcdef"};
};

TEST_F(HotCacheTest, K8_OnlyTheRightPinOpens) {
  EXPECT_FALSE(cache.find(kUser, 1, pin));
  EXPECT_EQ(cache.match(kUser, 1, pin), HotCache::Match::absent);
  cache.put(kUser, 1, pin, key);
  EXPECT_TRUE(cache.find(kUser, 1, pin)->equals(key));
  EXPECT_FALSE(cache.find(kUser, 1, wrong));
  EXPECT_FALSE(cache.find(kUser, 1, Secret("")));
  EXPECT_EQ(cache.match(kUser, 1, wrong), HotCache::Match::wrong);
  EXPECT_EQ(cache.match(kUser, 1, pin), HotCache::Match::right);
  EXPECT_FALSE(cache.find(id_of<base::UserTag>(2), 1, pin));
}

TEST_F(HotCacheTest, K8_AnotherEpochIsAMissAndDropsTheEntry) {
  cache.put(kUser, 1, pin, key);
  EXPECT_FALSE(cache.find(kUser, 2, pin));
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_FALSE(cache.find(kUser, 1, pin)) << "dropped for good";
}

TEST_F(HotCacheTest, K8_ASlowCheckFromBeforeTheChangeDoesNotComeBack) {
  cache.put(kUser, 2, pin, key);
  cache.put(kUser, 1, wrong, key);
  EXPECT_TRUE(cache.find(kUser, 2, pin));
}

TEST_F(HotCacheTest, K8_BoundedInTime) {
  cache.put(kUser, 1, pin, key);
  clock.time += std::chrono::minutes(10) - std::chrono::seconds(1);
  EXPECT_TRUE(cache.find(kUser, 1, pin));
  clock.time += std::chrono::seconds(1);
  EXPECT_FALSE(cache.find(kUser, 1, pin)) << "use does not prolong it";
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(HotCacheTest, K8_BoundedInCountTheLeastUsedGoes) {
  for (std::uint8_t i = 1; i <= 3; ++i) cache.put(id_of<base::UserTag>(i), 1, pin, key);
  EXPECT_TRUE(cache.find(id_of<base::UserTag>(1), 1, pin));
  cache.put(id_of<base::UserTag>(4), 1, pin, key);
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_FALSE(cache.find(id_of<base::UserTag>(2), 1, pin));
  EXPECT_TRUE(cache.find(id_of<base::UserTag>(1), 1, pin));
}

TEST_F(HotCacheTest, TokensLieUnderTheSamePin) {
  cache.put_token(kUser, 1, pin, kGrant, 5, Secret("token-5"));
  EXPECT_EQ(cache.size(), 0u) << "a no-op without entry";
  cache.put(kUser, 1, pin, key);
  cache.put_token(kUser, 1, pin, kGrant, 5, Secret("token-5"));
  EXPECT_EQ(cache.find_token(kUser, 1, pin, kGrant, 5)->reveal_text(), "token-5");
  EXPECT_FALSE(cache.find_token(kUser, 1, wrong, kGrant, 5));
  EXPECT_FALSE(cache.find_token(kUser, 1, pin, kGrant, 6));
  EXPECT_FALSE(cache.find_token(kUser, 1, pin, id_of<base::GrantTag>(2), 5));
  EXPECT_FALSE(cache.find_token(kUser, 2, pin, kGrant, 5));
}

TEST_F(HotCacheTest, AWrongPinPlantsNoTokenAndAnOlderGenerationDoesNotReturn) {
  cache.put(kUser, 1, pin, key);
  cache.put_token(kUser, 1, wrong, kGrant, 5, Secret("planted"));
  EXPECT_FALSE(cache.find_token(kUser, 1, wrong, kGrant, 5));
  cache.put_token(kUser, 1, pin, kGrant, 6, Secret("token-6"));
  cache.put_token(kUser, 1, pin, kGrant, 5, Secret("token-5"));
  EXPECT_EQ(cache.find_token(kUser, 1, pin, kGrant, 6)->reveal_text(), "token-6");
  EXPECT_FALSE(cache.find_token(kUser, 1, pin, kGrant, 5));
}

TEST_F(HotCacheTest, LongTokensFitAndAbsurdOnesAreNotKept) {
  cache.put(kUser, 1, pin, key);
  const std::string lengthy(12'000, 'x'), absurd(20'000, 'x');
  cache.put_token(kUser, 1, pin, kGrant, 1, Secret(lengthy));
  EXPECT_EQ(cache.find_token(kUser, 1, pin, kGrant, 1)->reveal_text(), lengthy);
  cache.put_token(kUser, 1, pin, kGrant, 2, Secret(absurd));
  EXPECT_FALSE(cache.find_token(kUser, 1, pin, kGrant, 2));
}

TEST_F(HotCacheTest, ForgetAndClear) {
  cache.put(kUser, 1, pin, key);
  cache.put(id_of<base::UserTag>(2), 1, pin, key);
  cache.forget(kUser);
  EXPECT_FALSE(cache.find(kUser, 1, pin));
  EXPECT_EQ(cache.size(), 1u);
  cache.clear();
  EXPECT_EQ(cache.size(), 0u);
}

TEST(HotCache, ManyThreadsOneUser) {
  base::SystemEntropy entropy;
  base::SystemSteadyClock clock;
  HotCache cache({.entries_max = 4096}, entropy, clock);
  const auto work = [&cache](std::uint8_t thread) {
    const Secret pin("473829"), key("0123456789abcdef0123456789abcdef");
    for (int i = 0; i < 2000; ++i) {
      const auto user = id_of<base::UserTag>(static_cast<std::uint8_t>(i % 7));
      cache.put(user, 1, pin, key);
      cache.put_token(user, 1, pin, kGrant, i, Secret("token"));
      if (const auto found = cache.find(user, 1, pin)) EXPECT_TRUE(found->equals(key));
      if (i % 100 == thread) cache.forget(user);
    }
  };
  std::thread first(work, 1), second(work, 2);
  first.join();
  second.join();
  EXPECT_LE(cache.size(), 7u);
}

}  // namespace
}  // namespace latchkey::vault
