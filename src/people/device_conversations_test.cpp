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
