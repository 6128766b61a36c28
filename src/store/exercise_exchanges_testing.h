// One exercise suite that every ExchangeBook must pass. An implementation's own test file instantiates it:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, ExchangeBookExercise, testing::Values(ExchangeBookFactory([] { return ...; })));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "base/entropy.h"
#include "store/exchange_book.h"

namespace latchkey::store {

// An empty book, and what it lives on.
class ExchangeBookUnderTest {
 public:
  virtual ~ExchangeBookUnderTest() = default;
  [[nodiscard]] virtual ExchangeBook& book() = 0;
  // Closes and opens again on the same data.
  virtual void reopen() = 0;
};
// nullptr: it cannot be tried here.
using ExchangeBookFactory = std::function<std::unique_ptr<ExchangeBookUnderTest>()>;

class ExchangeBookExercise : public testing::TestWithParam<ExchangeBookFactory> {
 protected:
  void SetUp() override {
    under_test = GetParam()();
    if (!under_test) GTEST_SKIP() << "LATCHKEY_TEST_POSTGRES names no cluster";
  }
  [[nodiscard]] ExchangeBook& book() { return under_test->book(); }
  template <class Id>
  [[nodiscard]] Id id() {
    return Id::make(now, entropy);
  }
  // Claimed; or what there is instead.
  [[nodiscard]] std::optional<KeptExchange> claim(const OfficeId& office, const IntentId& intent, std::int64_t turn) {
    auto claimed = book().claim(office, intent, turn, entropy.bytes(16), now);
    EXPECT_TRUE(claimed) << (claimed ? "" : claimed.error().reason);
    return claimed ? *std::move(claimed) : std::nullopt;
  }
  [[nodiscard]] static std::string reason(const Result<void>& result) { return result ? "" : result.error().reason; }

  base::SeededEntropy entropy{17};
  WallTime now = base::from_unix_ms(1'800'000'000'000);
  std::unique_ptr<ExchangeBookUnderTest> under_test;
};

}  // namespace latchkey::store
