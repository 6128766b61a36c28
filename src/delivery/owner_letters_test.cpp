#include "delivery/owner_letters.h"

#include <gmock/gmock.h>

#include "grants/keeper_testing.h"

namespace latchkey::delivery {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class OwnerLettersTest : public grants::KeeperHouse {
 protected:
  void SetUp() override {
    store::Batch batch;
    one.grant = add_grant(batch, "acme-harmless", 3600s).id;
    for (auto& each : batch) {
      if (auto* inserted = std::get_if<store::InsertUser>(&each)) inserted->user.email = "anna@office.example";
    }
    commit(std::move(batch));
    one.id = DeliveryId::make(wall.now(), entropy);
    one.name = "In/scan.pdf";
    one.state = store::DeliveryState::parked;
    one.why = "It is full.";
  }
  Task<Result<void>> keep(OwnerLetter letter) {
    sent.push_back(std::move(letter));
    co_return Result<void>{};
  }
  Task<bool> told() {
    co_await letters.tell(one);
    co_return true;
  }

  store::Delivery one;
  bool wanted = true;
  std::vector<OwnerLetter> sent;
  OwnerLetters letters{{.store = *store,
                        .steady = steady,
                        .log = log,
                        .public_url = "https://latchkey.example",
                        .wanted = [this] { return wanted; },
                        .send = [this](OwnerLetter letter) { return keep(std::move(letter)); }}};
};

TEST_F(OwnerLettersTest, OneAnHourSaysHowManyMore) {
  run(told());
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].to, "anna@office.example");
  EXPECT_THAT(sent[0].text, HasSubstr("In/scan.pdf"));
  EXPECT_THAT(sent[0].text, HasSubstr("It is full."));
  EXPECT_THAT(sent[0].text, Not(HasSubstr("wait as well")));
  run(told());
  run(told());
  EXPECT_EQ(sent.size(), 1U) << "one an hour";
  steady.advance(61min);
  run(told());
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_THAT(sent[1].text, HasSubstr("2 more documents wait as well"));
}

TEST_F(OwnerLettersTest, NobodyIsToldWhoShallNotBe) {
  wanted = false;
  run(told());
  wanted = true;
  one.grant = GrantId::make(wall.now(), entropy);
  run(told());
  EXPECT_TRUE(sent.empty());
}

}  // namespace
}  // namespace latchkey::delivery
