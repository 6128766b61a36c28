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

}  // namespace
}  // namespace latchkey::doors
