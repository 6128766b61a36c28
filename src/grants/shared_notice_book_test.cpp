#include "grants/shared_notice_book.h"

#include <gmock/gmock.h>

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr WallTime kStart{Milliseconds(1'795'000'000'000)};
constexpr NoticeRhythm kRhythm{.wait = 60s, .remind_every = 24h};

Alert standing(std::string cause, WallTime since = kStart) { return {.cause = cause, .words = "words of " + cause, .since = since}; }

// The book as it lies in the store; every change of it is one compare-and-set.
class SharedNoticeBookTest : public testing::Test {
 protected:
  // Notes what the server sees, and claims what there is to tell.
  std::optional<Notice> look(SharedNoticeBook::Reader& reader, const std::vector<Alert>& alerts, std::vector<Notice> delivered = {}) {
    auto book = SharedNoticeBook::from_json(kept);
    book.settle(delivered, reader, now);
    book.note(alerts, reader, now);
    auto notice = book.claim(alerts, kRhythm, reader, now);
    kept = book.to_json();
    return notice;
  }
  // Looks, and tells all there is.
  std::vector<std::string> tell(SharedNoticeBook::Reader& reader, const std::vector<Alert>& alerts) {
    std::vector<std::string> told;
    std::vector<Notice> delivered;
    while (const auto notice = look(reader, alerts, delivered)) {
      told.push_back(std::string(name_of(notice->kind)) + " " + notice->cause);
      delivered = {*notice};
      if (told.size() > 500) break;
    }
    return told;
  }
  void pass(Milliseconds span) {
    now += span;
    alpha.watched += span;
    beta.watched += span;
  }
  std::string kept;
  WallTime now = kStart;
  SharedNoticeBook::Reader alpha{.node = "alpha"};
  SharedNoticeBook::Reader beta{.node = "beta"};
  const std::vector<Alert> expires{standing("app_secret_expires:box")};
};

TEST_F(SharedNoticeBookTest, OfTwoThatSeeACauseOneTellsItAndItIsOverWhenTheLastSeesItNoMore) {
  pass(59s);
  EXPECT_THAT(tell(alpha, expires), IsEmpty());
  pass(1s);
  EXPECT_THAT(tell(alpha, expires), ElementsAre("begun app_secret_expires:box"));
  EXPECT_THAT(tell(beta, expires), IsEmpty());
  pass(4min);
  EXPECT_THAT(tell(alpha, {}), IsEmpty());
  pass(4min);
  EXPECT_THAT(tell(alpha, {}), IsEmpty()) << "beta sees it still";
  EXPECT_THAT(tell(beta, {}), IsEmpty()) << "perhaps it comes back";
  pass(30s);
  EXPECT_THAT(tell(beta, expires), IsEmpty()) << "it flapped: no news";
  EXPECT_THAT(tell(beta, {}), IsEmpty());
  pass(60s);
  EXPECT_THAT(tell(alpha, {}), ElementsAre("resolved app_secret_expires:box"));
  EXPECT_THAT(tell(beta, {}), IsEmpty());
  EXPECT_EQ(SharedNoticeBook::from_json(kept).size(), 0U);
}

TEST_F(SharedNoticeBookTest, WhatADeadServerHadClaimedIsToldByAnotherAlsoByOneThatDoesNotSeeIt) {
  pass(60s);
  ASSERT_TRUE(look(alpha, expires)) << "and dies before it has told";
  pass(119s);
  EXPECT_THAT(tell(beta, {}), IsEmpty());
  pass(1s);
  EXPECT_THAT(tell(beta, {}), ElementsAre("begun app_secret_expires:box"));
  EXPECT_THAT(tell(alpha, expires), IsEmpty()) << "back, and late";
}

TEST_F(SharedNoticeBookTest, R24_AClaimOfAClockAheadHoldsAsLongAsAnother) {
  now += 2h;
  ASSERT_TRUE(look(alpha, expires)) << "and dies before it has told";
  now = kStart;
  beta.watched = kNoticeClaimLasts - 1ms;
  EXPECT_THAT(tell(beta, {}), IsEmpty());
  pass(1ms);
  EXPECT_THAT(tell(beta, {}), ElementsAre("begun app_secret_expires:box"));
}

TEST_F(SharedNoticeBookTest, AServerThatStartsAnewTellsAtOnceWhatItHadClaimed) {
  pass(60s);
  ASSERT_TRUE(look(alpha, expires));
  SharedNoticeBook::Reader again{.node = "alpha"};
  EXPECT_THAT(tell(again, {}), ElementsAre("begun app_secret_expires:box"));
}

TEST_F(SharedNoticeBookTest, AClaimThatFailedIsFreeAtOnce) {
  pass(60s);
  ASSERT_TRUE(look(alpha, expires));
  auto book = SharedNoticeBook::from_json(kept);
  book.settle({}, alpha, now);
  kept = book.to_json();
  EXPECT_THAT(tell(beta, expires), ElementsAre("begun app_secret_expires:box"));
}

TEST_F(SharedNoticeBookTest, AnEndIsClaimedToo) {
  pass(60s);
  EXPECT_EQ(tell(alpha, expires).size(), 1U);
  EXPECT_THAT(tell(alpha, {}), IsEmpty());
  pass(60s);
  ASSERT_TRUE(look(alpha, {})) << "and dies before it has told";
  EXPECT_FALSE(look(beta, {}));
  pass(kNoticeClaimLasts);
  EXPECT_THAT(tell(beta, {}), ElementsAre("resolved app_secret_expires:box"));
}

TEST_F(SharedNoticeBookTest, AfterAnOutageWhoeverHasDeliveredSaysSoFirst) {
  pass(60s);
  const auto notice = look(alpha, expires);
  ASSERT_TRUE(notice);
  now += 30min;  // nobody reaches the database
  beta.watched = 0ms;
  EXPECT_THAT(tell(beta, expires), IsEmpty());
  EXPECT_FALSE(look(alpha, expires, {*notice}));
  pass(30min);
  EXPECT_THAT(tell(beta, expires), IsEmpty());
}

TEST_F(SharedNoticeBookTest, WhatOnlyADeadServerSawIsOverAfterAWhile) {
  beta.watched = 1h;
  pass(60s);
  EXPECT_EQ(tell(alpha, expires).size(), 1U);
  pass(19min);
  EXPECT_THAT(tell(beta, {}), IsEmpty());
  pass(1min);
  EXPECT_THAT(tell(beta, {}), IsEmpty());
  pass(60s);
  EXPECT_THAT(tell(beta, {}), ElementsAre("resolved app_secret_expires:box"));
}

TEST_F(SharedNoticeBookTest, AServerThatHasNotWatchedForLongDropsNobodysSightings) {
  pass(60s);
  EXPECT_EQ(tell(alpha, expires).size(), 1U);
  now += 8h;  // the database was away
  beta.watched = 0ms;
  for (int minutes = 0; minutes < 14; ++minutes) {
    EXPECT_THAT(tell(beta, {}), IsEmpty()) << minutes;
    pass(1min);
  }
  EXPECT_THAT(tell(alpha, expires), IsEmpty());
  pass(2min);
  EXPECT_THAT(tell(beta, {}), IsEmpty());
}

TEST_F(SharedNoticeBookTest, ARestartDoesNotTakeBackWhatTheProcessBeforeSaw) {
  pass(60s);
  EXPECT_EQ(tell(alpha, expires).size(), 1U);
  SharedNoticeBook::Reader again{.node = "alpha"};
  EXPECT_THAT(tell(again, {}), IsEmpty());
  now += 14min;
  again.watched = 14min;
  EXPECT_THAT(tell(again, {}), IsEmpty()) << "the look that raises it may not have come yet";
  now += 1min;
  again.watched = 15min;
  EXPECT_THAT(tell(again, {}), IsEmpty());
  now += 1min;
  EXPECT_THAT(tell(again, {}), ElementsAre("resolved app_secret_expires:box"));
}

TEST_F(SharedNoticeBookTest, RemindersAndDoublingsComeOnceForAll) {
  auto dead = standing("needs_authorization");
  dead.number = 2;
  pass(60s);
  EXPECT_EQ(tell(alpha, {dead}).size(), 1U);
  dead.number = 4;
  pass(60s);
  EXPECT_THAT(tell(beta, {dead}), ElementsAre("reminder needs_authorization"));
  EXPECT_THAT(tell(alpha, {dead}), IsEmpty());
  pass(24h - 1s);
  EXPECT_THAT(tell(alpha, {dead}), IsEmpty());
  pass(1s);
  EXPECT_THAT(tell(alpha, {dead}), ElementsAre("reminder needs_authorization"));
  EXPECT_THAT(tell(beta, {dead}), IsEmpty());
}

TEST_F(SharedNoticeBookTest, WhatEndedBeforeAnybodyHeardOfItIsForgotten) {
  pass(60s);
  ASSERT_TRUE(look(alpha, expires));
  auto book = SharedNoticeBook::from_json(kept);
  book.settle({}, alpha, now);
  book.note({}, alpha, now);
  EXPECT_EQ(book.size(), 0U);
}

TEST_F(SharedNoticeBookTest, AnEventPassesWithoutWords) {
  auto event = standing("pin_spray");
  event.until = kStart + 24h;
  pass(60s);
  EXPECT_EQ(tell(alpha, {event}).size(), 1U);
  pass(24h);
  EXPECT_THAT(tell(alpha, {}), IsEmpty());
  pass(60s);
  EXPECT_THAT(tell(beta, {}), IsEmpty());
  EXPECT_EQ(SharedNoticeBook::from_json(kept).size(), 0U);
}

TEST_F(SharedNoticeBookTest, ABookOfOneServerGoesOn) {
  NoticeBook alone;
  std::vector<Alert> alerts{standing("app_secret_expires:box"), standing("journal_failed")};
  while (const auto notice = alone.next(alerts, kRhythm, kStart, kStart + 60s)) alone.told(*notice, kStart + 60s);
  kept = alone.to_json();
  pass(2min);
  EXPECT_THAT(tell(alpha, {}), IsEmpty()) << "alerts come back late";
  EXPECT_THAT(tell(beta, expires), IsEmpty()) << "told already";
  EXPECT_EQ(SharedNoticeBook::from_json(kept).size(), 1U) << "the disk was another server's";
  pass(13min);
  EXPECT_THAT(tell(alpha, {}), IsEmpty());
  EXPECT_THAT(tell(beta, {}), IsEmpty());
  pass(60s);
  EXPECT_THAT(tell(beta, {}), ElementsAre("resolved app_secret_expires:box"));
}

TEST_F(SharedNoticeBookTest, OneKindIsBoundedAndCriticalCausesAlwaysHaveRoom) {
  std::vector<Alert> many;
  for (std::size_t i = 0; i < kCausesOfAKindMax + 5; ++i) many.push_back(standing("node_silent:" + std::to_string(i)));
  pass(60s);
  EXPECT_EQ(tell(alpha, many).size(), kCausesOfAKindMax);
  EXPECT_EQ(SharedNoticeBook::from_json(kept).size(), kCausesOfAKindMax);
  std::vector<Alert> grave;
  for (std::size_t i = 0; i < 3 * kCausesOfAKindMax; ++i) grave.push_back(standing("app_misconfigured:" + std::to_string(i)));
  EXPECT_EQ(tell(beta, grave).size(), grave.size());
}

TEST_F(SharedNoticeBookTest, ReadsWhatIsNoBookAsEmpty) {
  for (const auto* text : {"", "nonsense", "[]", "{\"causes\":3}", "{\"causes\":{\"uncertain\":1}}", "{\"causes\":{\"uncertain\":{\"seen\":1}}}"}) {
    EXPECT_LE(SharedNoticeBook::from_json(text).size(), 1U) << text;
  }
}

}  // namespace
}  // namespace latchkey::grants
