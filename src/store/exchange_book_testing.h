// One exercise suite that every ExchangeBook must pass, and one that lives in memory, for tests of what works on it.
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, ExchangeBookExercise, testing::Values(ExchangeBookFactory([] { return ...; })));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

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
using ExchangeBookFactory = std::function<std::unique_ptr<ExchangeBookUnderTest>()>;

class ExchangeBookExercise : public testing::TestWithParam<ExchangeBookFactory> {
 protected:
  void SetUp() override { under_test = GetParam()(); }
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

class MemoryExchangeBook final : public ExchangeBook {
 public:
  Result<std::optional<KeptExchange>> claim(const OfficeId& office, const IntentId& intent, std::int64_t turn, ByteView nonce,
                                            WallTime now) override;
  Result<void> keep_reply(const OfficeId& office, const IntentId& intent, std::int64_t turn, const Bytes& reply,
                          WallTime now) override;
  Result<void> keep_unknown(const OfficeId& office, const IntentId& intent, std::int64_t turn, WallTime now) override;
  Result<void> forget_unsent(const OfficeId& office, const IntentId& intent, std::int64_t turn) override;
  Result<void> acknowledge(const OfficeId& office, const IntentId& intent, std::int64_t turn, WallTime now) override;
  Result<void> forget_old(WallTime now) override;
  Result<ExchangeCounts> counts() override;

  // As long as it is set, every write fails with it: a full disk.
  std::optional<Error> refuses;

 private:
  using Key = std::pair<OfficeId, IntentId>;
  [[nodiscard]] Result<void> settle(const Key& key, std::int64_t turn, ExchangeState state, const Bytes& reply, WallTime now);
  std::map<Key, KeptExchange> exchanges_;
  std::map<std::pair<OfficeId, Bytes>, WallTime> nonces_;
};

}  // namespace latchkey::store
