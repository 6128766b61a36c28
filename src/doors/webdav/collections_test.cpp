#include "doors/webdav/collections.h"

#include <gtest/gtest.h>

#include "base/fakes_testing.h"

namespace latchkey::doors {
namespace {

using namespace std::chrono_literals;

TEST(DavCollections, AreKeptForADaySinceTheyWereUsed) {
  base::SimulatedWallClock wall;
  DavCollections folders(wall);
  ASSERT_TRUE(folders.make("anna scans", "a"));
  ASSERT_TRUE(folders.make("anna scans", "b"));
  wall.advance(23h);
  folders.use("anna scans", "a");
  wall.advance(2h);
  EXPECT_EQ(folders.of("anna scans"), std::vector<std::string>{"a"});
}

TEST(DavCollections, WhoComesWhenThereAreTooManyOwnersTakesThePlaceOfTheLongestUnused) {
  base::SimulatedWallClock wall;
  DavCollections folders(wall);
  for (std::size_t i = 0; i < DavCollections::kOwnersMax; ++i) {
    ASSERT_TRUE(folders.make("user " + std::to_string(i), "a"));
    wall.advance(1s);
  }
  folders.use("user 0", "a");
  ASSERT_TRUE(folders.make("one more", "a"));
  EXPECT_EQ(folders.of("one more").size(), 1U);
  EXPECT_EQ(folders.of("user 0").size(), 1U) << "used since";
  EXPECT_TRUE(folders.of("user 1").empty());
  EXPECT_EQ(folders.of("user 2").size(), 1U);
}

TEST(DavCollections, OfOneAreBounded) {
  base::SimulatedWallClock wall;
  DavCollections folders(wall);
  for (std::size_t i = 0; i < DavCollections::kOfOneMax; ++i) ASSERT_TRUE(folders.make("anna", std::to_string(i)));
  EXPECT_FALSE(folders.make("anna", "one more"));
  EXPECT_TRUE(folders.make("anna", "0")) << "there already";
  EXPECT_TRUE(folders.make("ben", "a"));
}

}  // namespace
}  // namespace latchkey::doors
