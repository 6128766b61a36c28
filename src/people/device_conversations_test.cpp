#include "people/device_conversations.h"

#include <gtest/gtest.h>

namespace latchkey::people {
namespace {

DeviceId device(int number) {
  std::string text = "00000000-0000-7000-8000-00000000000" + std::to_string(number);
  return DeviceId::parse(text).value();
}

Conversation saying(std::string text) {
  return {.door = "smtp", .source = "192.0.2.7", .lines = {{ConversationLine::Speaker::device, std::move(text)}}};
}

std::string all(const std::vector<Conversation>& conversations) {
  std::string out;
  for (const auto& one : conversations) out += one.lines.front().text + " ";
  return out;
}

TEST(DeviceConversations, KeepsTheLastOfEachDeviceTheLatestFirst) {
  DeviceConversations kept({.of_one = 2});
  for (const auto* text : {"a", "b", "c"}) kept.keep(device(1), saying(text));
  kept.keep(device(2), saying("x"));
  EXPECT_EQ(all(kept.of(device(1))), "c b ");
  EXPECT_EQ(all(kept.of(device(2))), "x ");
  EXPECT_TRUE(kept.of(device(3)).empty());
}

// Anybody may show a device's name.
TEST(DeviceConversations, Attack_WhatIsOnlySupposedPushesNothingOut) {
  DeviceConversations kept({.of_one = 2});
  for (const auto* text : {"a", "b"}) kept.keep(device(1), saying(text));
  for (const auto* text : {"x", "y", "z"}) {
    auto supposed = saying(text);
    supposed.is_supposed = true;
    kept.keep(device(1), std::move(supposed));
  }
  EXPECT_EQ(all(kept.of(device(1))), "z y b a ");
  kept.keep(device(1), saying("c"));
  EXPECT_EQ(all(kept.of(device(1))), "c z y b ");
}

TEST(DeviceConversations, Attack_WhatIsOnlySupposedTakesNoMemoryOfTheOthers) {
  DeviceConversations kept({.octets = 10'000});
  for (int own = 1; own < 3; ++own) kept.keep(device(own), saying(std::string(3000, static_cast<char>('0' + own))));
  for (int guessed = 3; guessed < 8; ++guessed) {
    auto supposed = saying(std::string(3000, 'x'));
    supposed.is_supposed = true;
    kept.keep(device(guessed), std::move(supposed));
  }
  for (int own = 1; own < 3; ++own) EXPECT_EQ(kept.of(device(own)).size(), 1U);
  EXPECT_EQ(kept.of(device(6)).size() + kept.of(device(7)).size(), 1U) << "the latest of them";
  kept.keep(device(8), saying(std::string(3000, '8')));
  EXPECT_TRUE(kept.of(device(7)).empty());
  EXPECT_EQ(kept.of(device(1)).size(), 1U);
}

Conversation request(std::string text, Seconds began, Seconds took = Seconds(0), std::string door = "webdav") {
  return {.began_at = WallTime(began),
          .ended_at = WallTime(began + took),
          .door = std::move(door),
          .source = "192.0.2.7",
          .lines = {{ConversationLine::Speaker::device, std::move(text)}}};
}

std::string lines_of(const Conversation& conversation) {
  std::string out;
  for (const auto& line : conversation.lines) out += line.text + " ";
  return out;
}

TEST(DeviceConversations, TheOneThatBeganLastStandsFirstInWhateverOrderTheyEnd) {
  DeviceConversations kept;
  kept.keep(device(1), request("b", Seconds(1010)));
  kept.keep(device(1), request("c", Seconds(1020)));
  kept.keep(device(1), request("a", Seconds(1000), Seconds(30)));
  EXPECT_EQ(all(kept.of(device(1))), "c b a ");
}

TEST(DeviceConversations, RequestsThatFollowEachOtherAreOneConversation) {
  DeviceConversations kept;
  kept.join(device(1), request("a", Seconds(1000), Seconds(300)));
  kept.join(device(1), request("b", Seconds(1010), Seconds(1)));
  kept.join(device(1), request("c", Seconds(1360)));
  auto all = kept.of(device(1));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(lines_of(all[0]), "a b c ") << "the second began while the first was under way";
  EXPECT_EQ(all[0].began_at, WallTime(Seconds(1000)));
  EXPECT_EQ(all[0].ended_at, WallTime(Seconds(1360)));
  kept.join(device(1), request("d", Seconds(1421)));
  all = kept.of(device(1));
  ASSERT_EQ(all.size(), 2U) << "more than a minute later";
  EXPECT_EQ(lines_of(all[0]), "d ");
  EXPECT_EQ(lines_of(all[1]), "a b c ");
}

TEST(DeviceConversations, RequestsOfAnotherDeviceSourceOrDoorAreAnother) {
  DeviceConversations kept;
  kept.join(device(1), request("a", Seconds(1000)));
  kept.join(device(2), request("b", Seconds(1000)));
  auto elsewhere = request("c", Seconds(1000));
  elsewhere.source = "192.0.2.8";
  kept.join(device(1), std::move(elsewhere));
  kept.join(device(1), request("d", Seconds(1000), Seconds(0), "http"));
  kept.keep(device(1), request("e", Seconds(1000), Seconds(0), "smtp"));
  kept.keep(device(1), request("f", Seconds(1000), Seconds(0), "smtp"));
  kept.join(device(1), request("g", Seconds(1001)));
  std::string all;
  for (const auto& one : kept.of(device(1))) all += lines_of(one) + "| ";
  EXPECT_EQ(all, "a g | f | e | d | c | ") << "the one that goes on is the latest";
  EXPECT_EQ(lines_of(kept.of(device(2)).at(0)), "b ");
}

TEST(DeviceConversations, OneThatHasItsLinesIsFollowedByTheNextAndFiveAreKept) {
  DeviceConversations kept;
  const auto of_three = [](int number) {
    auto one = request(std::to_string(number), Seconds(1000 + number));
    one.lines.resize(3);
    return one;
  };
  for (int number = 0; number < 250; ++number) kept.join(device(1), of_three(number));
  const auto all = kept.of(device(1));
  ASSERT_EQ(all.size(), 5U) << "250 requests of 3 lines are 7 conversations";
  EXPECT_EQ(all[0].lines.size(), 30U);
  for (int at = 1; at < 5; ++at) EXPECT_EQ(all[at].lines.size(), 120U);
  EXPECT_EQ(all[4].lines.front().text, "80");
}

TEST(DeviceConversations, WhatWasJoinedCountsInTheBoundOfMemory) {
  DeviceConversations kept({.of_one = 5, .octets = 10'000});
  kept.join(device(2), request(std::string(1000, 'x'), Seconds(1000)));
  for (int number = 0; number < 100; ++number) {
    kept.join(device(1), request(std::string(1000, 'y'), Seconds(1000 + number)));
    std::size_t octets = 0;
    for (const auto& one : kept.of(device(1)))
      for (const auto& line : one.lines) octets += line.text.size();
    ASSERT_LE(octets, 10'000U);
    if (number < 5) ASSERT_EQ(kept.of(device(1)).size(), 1U);
  }
  EXPECT_TRUE(kept.of(device(2)).empty()) << "the oldest went first";
  kept.join(device(1), request("z", Seconds(5000)));
  EXPECT_EQ(lines_of(kept.of(device(1)).at(0)), "z ") << "room that was given back is there again";
}

TEST(DeviceConversations, MemoryIsBoundedOverAllDevicesTheOldestGoFirst) {
  DeviceConversations kept({.of_one = 5, .octets = 10'000});
  for (int i = 1; i < 10; ++i) kept.keep(device(i), saying(std::string(3000, static_cast<char>('0' + i))));
  EXPECT_TRUE(kept.of(device(1)).empty());
  EXPECT_TRUE(kept.of(device(6)).empty());
  EXPECT_FALSE(kept.of(device(7)).empty());
  EXPECT_FALSE(kept.of(device(9)).empty());
  kept.keep(device(1), saying(std::string(20'000, 'x')));
  EXPECT_TRUE(kept.of(device(1)).empty()) << "larger than all the room there is";
}

}  // namespace
}  // namespace latchkey::people
