#include "relay/relay_keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace latchkey::relay {
namespace {

class Keys : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-relay-keys-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder = pattern;
    path = folder + "/relay.keys";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  base::SeededEntropy entropy{3};
  std::string folder;
  std::string path;
};

TEST_F(Keys, AreMadeOnceForTheirOwnerAloneAndStayTheSame) {
  const auto made = load_or_make_relay_keys(path, entropy);
  ASSERT_TRUE(made) << made.error().text;
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(status.st_size, 96);
  const auto again = load_or_make_relay_keys(path, entropy);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->party.public_half(), made->party.public_half());
  EXPECT_TRUE(again->instance.equals(made->instance));
}

TEST_F(Keys, S1_RotatedTheyVouchForTheirSuccessorsAndStayForWhatWasSealedToThem) {
  const auto first = load_or_make_relay_keys(path, entropy);
  ASSERT_TRUE(first);
  const auto then = base::from_unix_ms(1'800'000'000'000);
  ASSERT_TRUE(rotate_relay_keys(path, entropy, then));
  ASSERT_TRUE(rotate_relay_keys(path, entropy, then + Seconds(60)));
  const auto now = load_or_make_relay_keys(path, entropy);
  ASSERT_TRUE(now) << now.error().text;
  EXPECT_NE(now->party.public_half(), first->party.public_half());
  EXPECT_TRUE(now->instance.equals(first->instance)) << "what instances seal for themselves is not concerned";
  ASSERT_EQ(now->former.size(), 2U);
  EXPECT_EQ(now->former[0].succession.former, first->party.public_half());
  EXPECT_TRUE(now->former[0].sealing_private.equals(first->party.sealing_private));
  EXPECT_EQ(now->former[1].retired_at, then + Seconds(60));
  EXPECT_TRUE(cloud::leads_to(now->successions(), first->party.public_half(), now->party.public_half()));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(Keys, S1_AFileWhoseKeysDoNotFollowOneAnotherIsRefused) {
  ASSERT_TRUE(rotate_relay_keys(path, entropy, base::from_unix_ms(1'800'000'000'000)));
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(-1, std::ios::end).put('\x7f');
  file.flush();
  const auto loaded = load_or_make_relay_keys(path, entropy);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().reason, "relay_keys_malformed");
}

TEST_F(Keys, AreRotatedAsOftenAsOfficesFollow) {
  for (std::size_t n = 0; n < cloud::kSuccessionsMax; ++n)
    ASSERT_TRUE(rotate_relay_keys(path, entropy, base::from_unix_ms(1)));
  EXPECT_EQ(rotate_relay_keys(path, entropy, base::from_unix_ms(1)).error().reason, "too_many_rotations");
  EXPECT_TRUE(load_or_make_relay_keys(path, entropy));
}

TEST_F(Keys, WhatIsDamagedIsNeverOverwritten) {
  for (const std::size_t size : {0U, 95U, 97U}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << std::string(size, 'x');
    const auto loaded = load_or_make_relay_keys(path, entropy);
    ASSERT_FALSE(loaded) << size;
    EXPECT_EQ(loaded.error().reason, "relay_keys_malformed");
    EXPECT_EQ(std::filesystem::file_size(path), size);
  }
}

// Another start makes its keys between this one's look and its write.
class Overtaken final : public Entropy {
 public:
  explicit Overtaken(std::string path) : path_(std::move(path)) {}
  std::optional<RelayKeys> others;

  void fill(std::span<std::uint8_t> out) override {
    if (!others) {
      auto made = load_or_make_relay_keys(path_, theirs_);
      ASSERT_TRUE(made) << made.error().text;
      others = std::move(*made);
    }
    ours_.fill(out);
  }

 private:
  std::string path_;
  base::SeededEntropy ours_{5};
  base::SeededEntropy theirs_{6};
};

TEST_F(Keys, S1_OfTwoFirstStartsTheSecondTakesTheKeysOfTheFirst) {
  Overtaken overtaken(path);
  const auto made = load_or_make_relay_keys(path, overtaken);
  ASSERT_TRUE(made) << made.error().text;
  ASSERT_TRUE(overtaken.others);
  EXPECT_EQ(made->party.public_half(), overtaken.others->party.public_half()) << "offices have pinned them";
  EXPECT_TRUE(made->instance.equals(overtaken.others->instance));
  const auto names = std::filesystem::directory_iterator(folder);
  EXPECT_EQ(std::distance(begin(names), end(names)), 1) << "nothing of the second one's is left";
}

TEST_F(Keys, S1_HoweverManyStartAtOnceTheirKeysAreTheSame) {
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    const auto shared = path + std::to_string(round);
    std::vector<std::optional<RelayKeys>> made(8);
    {
      std::vector<std::jthread> starts;
      for (auto& each : made) {
        starts.emplace_back([&each, &shared] {
          base::SystemEntropy own;
          if (auto keys = load_or_make_relay_keys(shared, own)) each = std::move(*keys);
        });
      }
    }
    for (const auto& each : made) {
      ASSERT_TRUE(each);
      EXPECT_TRUE(each->instance.equals(made.front()->instance));
      EXPECT_EQ(each->party.public_half(), made.front()->party.public_half());
    }
  }
}

TEST_F(Keys, WithoutAFolderNothingIsMadeAndTheRemedyIsNamed) {
  const auto loaded = load_or_make_relay_keys(folder + "/absent/relay.keys", entropy);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().reason, "relay_keys_not_written");
  EXPECT_NE(loaded.error().text.find("Make the data directory"), std::string::npos);
}

}  // namespace
}  // namespace latchkey::relay
