#include "delivery/upload_places.h"

#include <gtest/gtest.h>

#include <vector>

namespace latchkey::delivery {
namespace {

TEST(UploadPlaces, NobodyTakesAllAndAllTogetherAreBounded) {
  UploadPlaces places;
  const UploadLimits limits{.at_once = 4, .at_once_of_one = 2};
  const auto take = [&](const std::string& submitter) { return places.take(submitter, limits); };
  auto first = take("ann");
  auto second = take("ann");
  ASSERT_TRUE(first && second);
  const auto third = take("ann");
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().reason, "too_many_uploads_of_one");
  EXPECT_TRUE(third.error().retry_after);
  auto bens = take("ben");
  auto carls = take("carl");
  ASSERT_TRUE(bens && carls);
  EXPECT_EQ(take("dora").error().reason, "too_many_uploads");
  EXPECT_EQ(places.taken(), 4U);
  const auto shared = *first;  // two documents of one request
  first->reset();
  EXPECT_EQ(take("dora").error().reason, "too_many_uploads");
  second->reset();
  EXPECT_TRUE(take("dora"));
}

TEST(UploadPlaces, WhatGoesOutIsRefusedInItsOwnWords) {
  UploadPlaces places(UploadPlaces::Direction::out);
  const UploadLimits limits{.at_once = 2, .at_once_of_one = 1};
  const auto anns = places.take("ann", limits);
  ASSERT_TRUE(anns);
  EXPECT_EQ(places.take("ann", limits).error().reason, "too_many_downloads_of_one");
  const auto bens = places.take("ben", limits);
  ASSERT_TRUE(bens);
  EXPECT_EQ(places.take("carl", limits).error().reason, "too_many_downloads");
}

}  // namespace
}  // namespace latchkey::delivery
