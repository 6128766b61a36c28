#include "store/exercise_enrolments_testing.h"

namespace latchkey::store {

// Other programs of tests link this room, too, and have no book of enrolments.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EnrolmentBookExercise);

TEST_P(EnrolmentBookExercise, S1_ACodeIsRedeemedOnceAndWhatIsKeptComesBackWhole) {
  auto book = open();
  const auto office = issued();
  ASSERT_TRUE(book->issue(office));
  EXPECT_EQ(reason(book->issue(office)), "exists");
  const auto enrolled = book->redeem(office.id, office.code_digest, "keys-1", {"https://north.example"}, kNow + Seconds(5));
  ASSERT_TRUE(enrolled) << enrolled.error().reason;
  EXPECT_EQ(reason(book->redeem(office.id, office.code_digest, "keys-2", {"https://evil.example"}, kNow)), "code_unknown");
  EXPECT_TRUE(book->redeem(office.id, office.code_digest, "keys-1", {"https://north.example"}, kNow + Seconds(6)))
      << "an answer that was lost is given again";
  EXPECT_EQ(reason(book->redeem(office.id, office.code_digest, "keys-1", {"https://other.example"}, kNow)), "code_unknown")
      << "whoever has the code and the keys moves nobody's browsers elsewhere";
  EXPECT_EQ(reason(book->redeem(office.id, office.code_digest, "keys-1", {}, kNow)), "code_unknown");
  const auto again = open();
  const auto all = again->all();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1U);
  const auto& kept = all->front();
  EXPECT_EQ(kept.id, office.id);
  EXPECT_EQ(kept.label, "North Ltd");
  EXPECT_EQ(kept.types, office.types);
  EXPECT_EQ(kept.flows_per_minute, 30);
  EXPECT_EQ(kept.keys, "keys-1");
  EXPECT_EQ(kept.return_origins, std::vector<std::string>{"https://north.example"});
  EXPECT_EQ(kept.enrolled_at, kNow + Seconds(5));
  EXPECT_FALSE(kept.revoked_at);
}

TEST_P(EnrolmentBookExercise, S1_WhatIsNoCodeOfThisOfficeIsRefused) {
  auto book = open();
  const auto north = issued();
  const auto south = issued("South Ltd");
  ASSERT_TRUE(book->issue(north));
  ASSERT_TRUE(book->issue(south));
  EXPECT_EQ(reason(book->redeem(north.id, south.code_digest, "keys", {}, kNow)), "code_unknown");
  EXPECT_EQ(reason(book->redeem(OfficeId::make(kNow, entropy), north.code_digest, "keys", {}, kNow)), "code_unknown");
  EXPECT_EQ(reason(book->redeem(north.id, north.code_digest, "keys", {}, north.code_ends_at)), "code_expired");
  EXPECT_TRUE(book->redeem(north.id, north.code_digest, "keys", {}, north.code_ends_at - Milliseconds(1)));
}

TEST_P(EnrolmentBookExercise, S1_ARevokedOfficeStaysRevokedAndItsCodeIsWorthNothing) {
  auto book = open();
  const auto office = issued();
  ASSERT_TRUE(book->issue(office));
  auto operators = open();  // another process
  ASSERT_TRUE(operators->revoke(office.id, kNow));
  EXPECT_EQ(reason(book->redeem(office.id, office.code_digest, "keys", {}, kNow)), "code_unknown");
  ASSERT_TRUE(operators->revoke(office.id, kNow + Seconds(9)));
  EXPECT_EQ(book->all()->front().revoked_at, kNow);
  EXPECT_EQ(reason(book->revoke(OfficeId::make(kNow, entropy), kNow)), "no_such_office");
}

TEST_P(EnrolmentBookExercise, S1_AVerifiedNameIsKeptBesideTheLabelAndReplaced) {
  auto book = open();
  const auto north = issued();
  ASSERT_TRUE(book->issue(north));
  ASSERT_TRUE(book->issue(issued("South Ltd")));
  EXPECT_EQ(book->all()->front().verified_name, "");
  ASSERT_TRUE(book->put_verified_name(north.id, "north.example", kNow));
  ASSERT_TRUE(open()->put_verified_name(north.id, "new.north.example", kNow + Seconds(5)));
  const auto all = *book->all();
  ASSERT_EQ(all.size(), 2U);
  for (const auto& office : all) {
    const bool verified = office.id == north.id;
    EXPECT_EQ(office.verified_name, verified ? "new.north.example" : "");
    EXPECT_EQ(office.verified_at, verified ? std::optional(kNow + Seconds(5)) : std::nullopt);
  }
  EXPECT_EQ(reason(book->put_verified_name(OfficeId::make(kNow, entropy), "evil.example", kNow)), "no_such_office");
}

TEST_P(EnrolmentBookExercise, S1_AVerifiedNameIsTakenBack) {
  auto book = open();
  const auto north = issued();
  const auto south = issued("South Ltd");
  ASSERT_TRUE(book->issue(north));
  ASSERT_TRUE(book->issue(south));
  ASSERT_TRUE(book->put_verified_name(north.id, "north.example", kNow));
  ASSERT_TRUE(book->put_verified_name(south.id, "south.example", kNow));
  EXPECT_TRUE(*book->take_back_verified_name(north.id));
  EXPECT_FALSE(*book->take_back_verified_name(north.id));
  for (const auto& office : *open()->all()) {
    EXPECT_EQ(office.verified_name, office.id == north.id ? "" : "south.example");
    EXPECT_EQ(office.verified_at.has_value(), office.id == south.id);
  }
}

}  // namespace latchkey::store
