#include "delivery/mail_caps.h"

#include <gtest/gtest.h>

#include "grants/keeper_testing.h"
#include "store/store_testing.h"

namespace latchkey::delivery {
namespace {

class MailCapsTest : public grants::KeeperHouse {
 protected:
  [[nodiscard]] std::string check(const std::string& who, std::size_t recipients) {
    const auto may = store::wait_for(caps.check(who, recipients));
    return may ? "yes" : may.error().reason;
  }
  void count(const std::string& who, std::size_t recipients) { ASSERT_TRUE(store::wait_for(caps.take(who, recipients))); }

  MailCaps caps{{.store = *store, .wall = wall, .limits = [] {
                   return MailLimits{.recipients_per_day = 10, .messages_per_minute = 3};
                 }}};
};

TEST_F(MailCapsTest, G2_SoManyMessagesInAMinute) {
  for (int message = 0; message < 3; ++message) {
    EXPECT_EQ(check("user:a", 1), "yes");
    count("user:a", 1);
  }
  EXPECT_EQ(check("user:a", 1), "mail_cap_reached");
  EXPECT_EQ(check("user:ab", 1), "yes") << "each principal has its own";
  wall.advance(std::chrono::minutes(1));
  EXPECT_EQ(check("user:a", 1), "yes");
}

TEST_F(MailCapsTest, G2_SoManyRecipientsInADay) {
  EXPECT_EQ(check("device:a", 11), "too_many_recipients") << "waiting would not help";
  EXPECT_EQ(check("device:a", 10), "yes");
  count("device:a", 8);
  wall.advance(std::chrono::hours(20));
  EXPECT_EQ(check("device:a", 3), "mail_cap_reached");
  EXPECT_EQ(check("device:a", 2), "yes");
  wall.advance(std::chrono::hours(5));
  EXPECT_EQ(check("device:a", 10), "yes") << "a day later";
}

TEST_F(MailCapsTest, G2_WhatIsNotAcceptedIsGivenBack) {
  auto taken = store::wait_for(caps.take("user:a", 10));
  ASSERT_TRUE(taken);
  EXPECT_EQ(check("user:a", 1), "mail_cap_reached");
  const auto refused = store::wait_for(caps.take("user:a", 1));
  EXPECT_EQ(refused.error().reason, "mail_cap_reached");
  ASSERT_TRUE(store::wait_for(caps.give_back(std::move(*taken))));
  EXPECT_EQ(check("user:a", 10), "yes") << "neither it nor the refused one counts";
}

}  // namespace
}  // namespace latchkey::delivery
