#include "delivery/parked_groups.h"

#include <gtest/gtest.h>

#include "base/fakes_testing.h"

namespace latchkey::delivery {
namespace {

class ParkedGroupsTest : public ::testing::Test {
 protected:
  base::SeededEntropy entropy{1};
  const DeliveryId first = DeliveryId::make(WallTime{}, entropy), second = DeliveryId::make(WallTime{}, entropy),
                   third = DeliveryId::make(WallTime{}, entropy);
  const SharedWay way{.grant = GrantId::make(WallTime{}, entropy), .connector = "scans"};
  const SharedWay other{.grant = way.grant, .connector = "archive"};
  ParkedGroups groups;
};

TEST_F(ParkedGroupsTest, OneIsLookedAtForAll) {
  EXPECT_FALSE(groups.is_looked_at_by_another(first, way));
  EXPECT_TRUE(groups.enter(first, way));
  EXPECT_FALSE(groups.is_looked_at_by_another(first, way)) << "it is the one";
  EXPECT_TRUE(groups.is_looked_at_by_another(second, way));
  EXPECT_FALSE(groups.enter(second, way));
  EXPECT_FALSE(groups.enter(third, way));
  EXPECT_TRUE(groups.enter(first, way)) << "looked at, and nothing is new";
  EXPECT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups.open(way, first).size(), 2U);
  EXPECT_EQ(groups.size(), 0U);
  EXPECT_TRUE(groups.open(way, first).empty());
  EXPECT_TRUE(groups.enter(second, way)) << "after that it is as before";
}

TEST_F(ParkedGroupsTest, WhenThatOneGoesAnotherIsLookedAt) {
  groups.enter(first, way);
  groups.enter(second, way);
  groups.enter(third, way);
  EXPECT_FALSE(groups.leave(third));
  EXPECT_FALSE(groups.leave(third)) << "it has gone already";
  const auto next = groups.leave(first);
  ASSERT_TRUE(next);
  EXPECT_TRUE(next->delivery == second);
  EXPECT_EQ(next->connector, "scans");
  EXPECT_FALSE(groups.contains(first));
  EXPECT_FALSE(groups.leave(second)) << "nobody is left";
  EXPECT_EQ(groups.size(), 0U);
}

TEST_F(ParkedGroupsTest, EachConnectorsAreTheirOwn) {
  groups.enter(first, way);
  EXPECT_TRUE(groups.enter(second, other));
  EXPECT_FALSE(groups.is_looked_at_by_another(second, other));
  EXPECT_TRUE(groups.waits(first, way));
  EXPECT_FALSE(groups.waits(first, other));
  EXPECT_EQ(groups.open(other, third).size(), 1U);
  EXPECT_TRUE(groups.contains(first));
  EXPECT_FALSE(groups.leave(first));
  EXPECT_TRUE(groups.enter(first, other)) << "sent elsewhere";
  EXPECT_FALSE(groups.is_looked_at_by_another(second, way));
}

}  // namespace
}  // namespace latchkey::delivery
