// The exercise suites on a database, and what instances that share it must do.
#include "store/postgres/relay_books.h"

#include <gtest/gtest.h>

#include "base/fakes_testing.h"
#include "store/exercise_enrolments_testing.h"
#include "store/exercise_exchanges_testing.h"
#include "store/postgres/database_testing.h"

namespace latchkey::store {
namespace {

// The books as one instance after the other opens them.
class Instances {
 public:
  explicit Instances(std::unique_ptr<TestDatabase> database) : database_(std::move(database)) {}

  [[nodiscard]] Result<PostgresBooks> try_to_open(std::uint8_t service = 1) {
    return open_postgres_books({.url = database_->url(), .password = {}, .service = Bytes(32, service), .clock = &clock_},
                               entropy_, log_);
  }
  [[nodiscard]] PostgresBooks open() {
    auto opened = try_to_open();
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().text + " " + opened.error().detail);
    return opened ? std::move(*opened) : PostgresBooks{};
  }
  [[nodiscard]] TestDatabase& database() { return *database_; }
  [[nodiscard]] base::SimulatedWallClock& clock() { return clock_; }

 private:
  std::unique_ptr<TestDatabase> database_;
  base::SimulatedWallClock clock_;
  base::SeededEntropy entropy_{23};
  base::MemoryLog log_;
};

class ExchangesInDatabase final : public ExchangeBookUnderTest {
 public:
  explicit ExchangesInDatabase(std::unique_ptr<TestDatabase> database) : instances_(std::move(database)) { reopen(); }
  ExchangeBook& book() override { return *books_.exchanges; }
  void reopen() override { books_ = instances_.open(); }

 private:
  Instances instances_;
  PostgresBooks books_;
};

class EnrolmentsInDatabase final : public EnrolmentBookUnderTest {
 public:
  explicit EnrolmentsInDatabase(std::unique_ptr<TestDatabase> database) : instances_(std::move(database)) {}
  std::unique_ptr<EnrolmentBook> open() override { return instances_.open().enrolments; }

 private:
  Instances instances_;
};

template <class UnderTest, class Interface>
std::unique_ptr<Interface> in_database() {
  auto database = TestDatabase::make();
  if (!database) return nullptr;
  return std::make_unique<UnderTest>(std::move(database));
}

INSTANTIATE_TEST_SUITE_P(Postgres, ExchangeBookExercise,
                         testing::Values(ExchangeBookFactory(in_database<ExchangesInDatabase, ExchangeBookUnderTest>)));
INSTANTIATE_TEST_SUITE_P(Postgres, EnrolmentBookExercise,
                         testing::Values(EnrolmentBookFactory(in_database<EnrolmentsInDatabase, EnrolmentBookUnderTest>)));

class PostgresBooksShared : public testing::Test {
 protected:
  void SetUp() override {
    auto database = TestDatabase::make();
    if (!database) GTEST_SKIP() << "LATCHKEY_TEST_POSTGRES names no cluster";
    instances = std::make_unique<Instances>(std::move(database));
    one = instances->open().exchanges;
    other = instances->open().exchanges;
  }
  [[nodiscard]] std::optional<KeptExchange> claim(ExchangeBook& book, std::int64_t turn) {
    auto claimed = book.claim(office, intent, turn, entropy.bytes(16), now);
    EXPECT_TRUE(claimed) << (claimed ? "" : claimed.error().reason + " " + claimed.error().detail);
    return claimed ? *std::move(claimed) : std::nullopt;
  }
  [[nodiscard]] static std::string reason(const Result<void>& result) { return result ? "" : result.error().reason; }

  base::SeededEntropy entropy{29};
  const WallTime now = base::from_unix_ms(1'800'000'000'000);
  const OfficeId office = OfficeId::make(now, entropy);
  const IntentId intent = IntentId::make(now, entropy);
  std::unique_ptr<Instances> instances;
  std::unique_ptr<ExchangeBook> one;
  std::unique_ptr<ExchangeBook> other;
};

TEST_F(PostgresBooksShared, S4_WhatOneInstanceHasUnderWayNoOtherSettlesWhileTheClaimLasts) {
  ASSERT_FALSE(claim(*one, 1));
  instances->clock().advance(kExchangeClaimLasts - Milliseconds(1));
  const auto there = claim(*other, 1);
  ASSERT_TRUE(there);
  EXPECT_EQ(there->state, ExchangeState::asked);
  EXPECT_TRUE(there->elsewhere);
  EXPECT_EQ(reason(other->keep_unknown(office, intent, 1, now)), "no_such_exchange");
  EXPECT_EQ(reason(other->keep_reply(office, intent, 1, entropy.bytes(10), now)), "no_such_exchange");
  EXPECT_EQ(reason(other->forget_unsent(office, intent, 1)), "no_such_exchange");
  EXPECT_FALSE(claim(*one, 1)->elsewhere) << "its own";
  instances->clock().advance(Milliseconds(1));
  EXPECT_FALSE(claim(*other, 1)->elsewhere);
  EXPECT_TRUE(other->keep_unknown(office, intent, 1, now));
  EXPECT_EQ(claim(*one, 2)->state, ExchangeState::unknown);
}

TEST_F(PostgresBooksShared, S4_TheReplyOfOneIsEveryInstancesToGive) {
  ASSERT_FALSE(claim(*one, 1));
  const auto reply = entropy.bytes(40'000);
  ASSERT_TRUE(one->keep_reply(office, intent, 1, reply, now));
  EXPECT_TRUE(one->keep_reply(office, intent, 1, reply, now)) << "the answer to the first time may have been lost";
  EXPECT_EQ(claim(*other, 1), (KeptExchange{office, intent, 1, ExchangeState::answered, reply, now}));
  ASSERT_TRUE(other->acknowledge(office, intent, 1, Heard::reply, now));
  EXPECT_EQ(claim(*one, 1)->state, ExchangeState::acknowledged);
  EXPECT_FALSE(claim(*one, 2));
}

TEST_F(PostgresBooksShared, F2_AReplyThatComesAfterItsClaimCountsUntilTheOfficeHasGoneOn) {
  ASSERT_FALSE(claim(*one, 1));
  instances->clock().advance(kExchangeClaimLasts);
  ASSERT_TRUE(other->keep_unknown(office, intent, 1, now));
  const auto reply = entropy.bytes(100);
  ASSERT_TRUE(one->keep_reply(office, intent, 1, reply, now));
  EXPECT_EQ(claim(*other, 1)->reply, reply);
}

TEST_F(PostgresBooksShared, F2_AReplyTakesThePlaceOfAnUnknownThatTheOfficeHasAcknowledged) {
  ASSERT_FALSE(claim(*one, 1));
  instances->clock().advance(kExchangeClaimLasts);
  ASSERT_TRUE(other->keep_unknown(office, intent, 1, now));
  ASSERT_TRUE(other->acknowledge(office, intent, 1, Heard::unknown, now));
  const auto reply = entropy.bytes(100);
  ASSERT_TRUE(one->keep_reply(office, intent, 1, reply, now));
  EXPECT_EQ(claim(*other, 2), (KeptExchange{office, intent, 1, ExchangeState::answered, reply, now}));
  ASSERT_TRUE(other->acknowledge(office, intent, 1, Heard::unknown, now)) << "the first acknowledgement, late";
  EXPECT_EQ(claim(*other, 2)->reply, reply);
  ASSERT_TRUE(other->acknowledge(office, intent, 1, Heard::reply, now));
  EXPECT_EQ(reason(one->keep_reply(office, intent, 1, reply, now)), "no_such_exchange") << "the office has had it";
  EXPECT_FALSE(claim(*other, 2));
}

// A claim that the database has taken, and whose answer broke off at every try.
class PostgresClaimsLost : public PostgresBooksShared {
 protected:
  void SetUp() override {
    PostgresBooksShared::SetUp();
    if (!instances) return;
    instances->database().sql("CREATE TABLE relay_lost AS SELECT * FROM relay_exchanges");
    ASSERT_FALSE(claim(*one, 1));
    ASSERT_TRUE(one->forget_unsent(office, intent, 1));
    // As the next claim's statement leaves it when it commits after all.
    ASSERT_FALSE(claim(*one, 1));
    instances->database().sql("INSERT INTO relay_lost SELECT * FROM relay_exchanges");
    ASSERT_TRUE(one->forget_unsent(office, intent, 1));
    instances->database().sql("INSERT INTO relay_exchanges SELECT * FROM relay_lost");
  }
  [[nodiscard]] std::string rows() { return instances->database().sql("SELECT count(*) FROM relay_exchanges"); }
};

TEST_F(PostgresClaimsLost, S4_TheClaimerKnowsItsOwnAndPostsForItOnce) {
  EXPECT_TRUE(claim(*other, 1)->elsewhere);
  EXPECT_FALSE(claim(*one, 2)) << "nothing was posted: the turn is the claimer's, who asks under a later one";
  const auto again = claim(*one, 2);
  ASSERT_TRUE(again) << "and once only";
  EXPECT_EQ(again->state, ExchangeState::asked);
  const auto reply = entropy.bytes(10);
  ASSERT_TRUE(one->keep_reply(office, intent, 2, reply, now));
  EXPECT_EQ(claim(*other, 2)->reply, reply);
}

TEST_F(PostgresClaimsLost, S4_ItIsKnownThatNothingWasPosted) {
  const auto there = one->recall(office, intent, entropy.bytes(16), now);
  ASSERT_TRUE(there);
  EXPECT_FALSE(*there);
  EXPECT_FALSE(claim(*other, 1)) << "free for everybody";
}

TEST_F(PostgresClaimsLost, S4_WhatNobodyAsksForAgainIsFreeSoon) {
  const auto under_way = IntentId::make(now, entropy);
  ASSERT_FALSE(*one->claim(office, under_way, 1, entropy.bytes(16), now));
  ASSERT_TRUE(one->forget_unanswered_claims());
  EXPECT_EQ(rows(), "1") << "what is under way stays";
  EXPECT_FALSE(claim(*other, 1));
  EXPECT_TRUE(one->keep_reply(office, under_way, 1, entropy.bytes(10), now));
}

TEST_F(PostgresClaimsLost, S4_AnotherMayHaveCalledItUnknown) {
  instances->clock().advance(kExchangeClaimLasts);
  ASSERT_TRUE(other->keep_unknown(office, intent, 1, now));
  EXPECT_FALSE(claim(*one, 2)) << "the claimer knows better";
  ASSERT_TRUE(one->keep_unknown(office, intent, 2, now));
  EXPECT_EQ(claim(*one, 2)->state, ExchangeState::unknown) << "what was posted is not taken over";
}

TEST_F(PostgresBooksShared, R6_AnInstanceThatSleptThroughItsClaimOverwritesNothing) {
  ASSERT_FALSE(claim(*one, 1));
  instances->clock().advance(kExchangeClaimLasts);
  ASSERT_TRUE(other->keep_unknown(office, intent, 1, now));
  ASSERT_TRUE(other->acknowledge(office, intent, 1, Heard::unknown, now));
  ASSERT_FALSE(claim(*other, 2));
  EXPECT_EQ(reason(one->keep_reply(office, intent, 1, entropy.bytes(10), now)), "no_such_exchange");
  EXPECT_EQ(reason(one->forget_unsent(office, intent, 1)), "no_such_exchange");
  EXPECT_EQ(reason(one->keep_reply(office, intent, 2, entropy.bytes(10), now)), "no_such_exchange") << "another's turn";
  EXPECT_EQ(claim(*one, 2)->state, ExchangeState::asked);
}

TEST_F(PostgresBooksShared, S1_ANonceIsGoodAtOneInstance) {
  const auto nonce = entropy.bytes(16);
  ASSERT_TRUE(one->claim(office, intent, 1, nonce, now));
  const auto repeated = other->claim(office, IntentId::make(now, entropy), 1, nonce, now);
  ASSERT_FALSE(repeated);
  EXPECT_EQ(repeated.error().reason, "request_repeated");
}

TEST_F(PostgresBooksShared, ALineThatBreaksIsOpenedAgain) {
  ASSERT_FALSE(claim(*one, 1));
  instances->database().sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
      "pg_backend_pid()");
  ASSERT_TRUE(one->keep_reply(office, intent, 1, entropy.bytes(10), now));
  EXPECT_EQ(claim(*one, 1)->state, ExchangeState::answered);
}

TEST_F(PostgresBooksShared, TheBooksAreOneServicesAndStandBesideAnOfficesTables) {
  const auto refused = instances->try_to_open(2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "other_service");
  EXPECT_EQ(instances->database().sql(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'relay\\_%'"),
            "0");
}

TEST_F(PostgresBooksShared, ANewerVersionsBooksAreLeftAlone) {
  instances->database().sql("UPDATE relay_info SET value = '99' WHERE key = 'schema'");
  const auto refused = instances->try_to_open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "future_schema");
}

}  // namespace
}  // namespace latchkey::store
