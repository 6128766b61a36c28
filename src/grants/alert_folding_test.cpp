#include "grants/alert_folding.h"

#include <gmock/gmock.h>

#include "base/fakes_testing.h"
#include "grants/alert_kinds.h"
#include "grants/notice_book.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

class AlertFoldingTest : public testing::Test {
 protected:
  void attack(int from, int to) {
    for (int n = from; n < to; ++n) {
      alerts.tell("pin_spray:2001:db8:" + std::to_string(n), "Somebody at " + std::to_string(n) + ".", 24h);
      wall.advance(1ms);
    }
  }
  // What a channel tells now.
  std::vector<std::string> told() {
    std::vector<std::string> all;
    while (const auto notice = book.next(folded(alerts.current(), 0, FoldedSince::first), {.wait = 60s, .remind_every = 24h}, begin, wall.now())) {
      all.push_back(std::string(name_of(notice->kind)) + " " + notice->cause);
      book.told(*notice, wall.now());
      if (all.size() > 500) break;
    }
    return all;
  }

  base::SimulatedWallClock wall;
  base::MemoryLog log;
  Alerts alerts{wall, log};
  NoticeBook book;
  const WallTime begin = wall.now();
};

TEST_F(AlertFoldingTest, StrangersNeitherFloodTheChannelsNorKeepGraveCausesFromBeingTold) {
  attack(0, 256);
  alerts.tell("pin_guessing:u1", "Somebody guesses.", 24h * 7);
  wall.advance(60s);
  EXPECT_THAT(told(), ElementsAre("begun pin_guessing", "begun pin_spray"));
  alerts.raise("store_unreachable", "The database does not answer.");
  attack(256, 300);
  wall.advance(60s);
  EXPECT_THAT(told(), ElementsAre("begun store_unreachable"));
  attack(300, 600);
  wall.advance(60s);
  EXPECT_THAT(told(), testing::IsEmpty()) << "500 are kept, which is less than twice 256";
}

TEST_F(AlertFoldingTest, AStreamThatNeverStopsIsToldAllTheSame) {
  for (int n = 0; n < 7; ++n) {
    attack(n, n + 1);
    wall.advance(10s);
  }
  EXPECT_THAT(told(), ElementsAre("begun pin_spray"));
}

TEST_F(AlertFoldingTest, AFewStandApartAndManyAreOneWithTheirNumber) {
  const auto causes = [&] {
    std::vector<std::string> all;
    for (const auto& alert : folded(alerts.current(), 3, FoldedSince::latest)) all.push_back(alert.cause);
    return all;
  };
  alerts.raise("journal_failed", "The disk.");
  attack(1, 4);
  EXPECT_THAT(causes(), UnorderedElementsAre("journal_failed", "pin_spray:2001:db8:1", "pin_spray:2001:db8:2", "pin_spray:2001:db8:3"));
  const auto last = wall.now();
  attack(4, 5);
  EXPECT_THAT(causes(), ElementsAre("journal_failed", "pin_spray"));
  auto one = folded(alerts.current(), 3, FoldedSince::latest).back();
  EXPECT_EQ(one.number, 4);
  EXPECT_EQ(one.since, last);
  EXPECT_EQ(folded(alerts.current(), 3, FoldedSince::first).back().since, begin);
  EXPECT_THAT(one.words, testing::AllOf(HasSubstr("4 addresses"), HasSubstr("Somebody at 4."), Not(HasSubstr("or more"))));
  attack(5, 800);
  one = folded(alerts.current(), 3, FoldedSince::latest).back();
  EXPECT_EQ(one.number, static_cast<std::int64_t>(kEventsOfAKindMax));
  EXPECT_THAT(one.words, testing::AllOf(HasSubstr("500 or more"), HasSubstr("Somebody at 799.")));
  wall.advance(25h);
  EXPECT_THAT(causes(), ElementsAre("journal_failed"));
}

TEST_F(AlertFoldingTest, Attack_AMillionAlteredRecordsMakeAFewHundredAlertsAndANumber) {
  const auto raise = [&](int from, int to) {
    for (int n = from; n < to; ++n) alerts.raise("record_altered:grant:" + std::to_string(n), "Grant " + std::to_string(n) + ".");
  };
  const auto one = [&] { return folded(alerts.current(), 3, FoldedSince::latest).front(); };
  raise(0, 500);
  EXPECT_EQ(alerts.current().size(), 500U);
  EXPECT_THAT(one().words, testing::AllOf(HasSubstr("500 stored records"), Not(HasSubstr("or more"))));
  raise(500, 2'000);
  raise(0, 2'000);  // seen again
  EXPECT_EQ(alerts.current().size(), 501U);
  ASSERT_EQ(folded(alerts.current(), 3, FoldedSince::latest).size(), 1U);
  EXPECT_EQ(one().cause, "record_altered");
  EXPECT_EQ(one().number, 2'000);
  EXPECT_THAT(one().words, testing::AllOf(HasSubstr("2000 stored records"), Not(HasSubstr("or more"))));
  raise(2'000, 1'000'000);
  EXPECT_EQ(alerts.current().size(), 501U);
  EXPECT_EQ(one().number, 10'500);
  EXPECT_THAT(one().words, HasSubstr("10500 or more"));
  alerts.raise("store_unreachable", "The database does not answer.");
  EXPECT_EQ(alerts.current().size(), 502U) << "other kinds have places of their own";
  // The records are good again; of those that are not, each is seen again.
  for (int n = 0; n < 500; ++n) alerts.clear("record_altered:grant:" + std::to_string(n));
  EXPECT_EQ(alerts.current().size(), 1U);
  raise(999'000, 999'003);
  EXPECT_EQ(one().number, 0);
  EXPECT_EQ(alerts.current().size(), 4U);
}

TEST_F(AlertFoldingTest, OfAKindThatIsNotFoldedTheRestIsAnAlertWithItsNumber) {
  for (int n = 0; n < 503; ++n) alerts.raise("app_misconfigured:" + std::to_string(n), "An app.");
  auto all = alerts.current();
  ASSERT_EQ(all.size(), 501U);
  EXPECT_EQ(all.back().cause, "app_misconfigured");
  EXPECT_THAT(all.back().words, HasSubstr("3 more of these"));
  EXPECT_EQ(link_of_alert(all.back().cause), "/settings/apps");
  for (const int n : {500, 501, 502}) alerts.clear("app_misconfigured:" + std::to_string(n));
  EXPECT_EQ(alerts.current().size(), 500U);
}

TEST_F(AlertFoldingTest, WhereOneLastsItsEndIsTold) {
  alerts.tell("record_altered:revocation:1", "A revocation.", 24h * 7);
  alerts.raise("record_altered:grant:1", "A grant.");
  wall.advance(60s);
  EXPECT_THAT(told(), ElementsAre("begun record_altered"));
  alerts.clear("record_altered:grant:1");
  wall.advance(24h * 7);
  EXPECT_THAT(told(), testing::IsEmpty());
  wall.advance(60s);
  EXPECT_THAT(told(), ElementsAre("resolved record_altered"));
}

}  // namespace
}  // namespace latchkey::grants
