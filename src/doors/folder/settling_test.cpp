#include "doors/folder/settling.h"

#include <gtest/gtest.h>

namespace latchkey::doors {
namespace {

SteadyTime at(int seconds) { return SteadyTime(std::chrono::seconds(seconds)); }

TEST(Settling, CountsFromTheLookThatFirstSawTheFileAsItIs) {
  Settling settling;
  const Stamp young{.device = 1, .inode = 7, .size_bytes = 10, .modified_ns = 5, .changed_ns = 5};
  auto grown = young;
  grown.size_bytes = 20;
  EXPECT_EQ(settling.unchanged_for("a", young, at(10)), Milliseconds(0));
  EXPECT_EQ(settling.unchanged_for("a", young, at(13)), Milliseconds(3'000));
  EXPECT_EQ(settling.unchanged_for("a", grown, at(14)), Milliseconds(0)) << "it has grown";
  EXPECT_EQ(settling.unchanged_for("a", grown, at(15)), Milliseconds(1'000));
  EXPECT_EQ(settling.unchanged_for("b", grown, at(15)), Milliseconds(0)) << "another name";
  settling.keep_only({"b"});
  EXPECT_EQ(settling.unchanged_for("a", grown, at(20)), Milliseconds(0)) << "it was gone in between";
  EXPECT_EQ(settling.unchanged_for("b", grown, at(20)), Milliseconds(5'000));
}

TEST(Settling, GoesOnCountingWhereAFileWasMoved) {
  Settling settling;
  const Stamp moved{.device = 1, .inode = 7, .size_bytes = 10, .modified_ns = 5, .changed_ns = 9};
  settling.carry_over("token", moved, Milliseconds(60'000), at(100));
  EXPECT_EQ(settling.unchanged_for("token", moved, at(101)), Milliseconds(61'000));
}

TEST(Pauses, StandUntilTheyAreLiftedAndHoldForAWhile) {
  Pauses pauses;
  pauses.put("a", at(40));
  EXPECT_TRUE(pauses.holds("a", at(39)));
  EXPECT_FALSE(pauses.holds("a", at(40)));
  EXPECT_FALSE(pauses.holds("b", at(0)));
  EXPECT_FALSE(pauses.is_empty()) << "it has not been mended by that";
  pauses.keep_only({"a", "b"});
  EXPECT_FALSE(pauses.is_empty());
  pauses.keep_only({"b"});
  EXPECT_TRUE(pauses.is_empty());
}

}  // namespace
}  // namespace latchkey::doors
