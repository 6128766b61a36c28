// One exercise suite that every EnrolmentBook must pass. An implementation's own test file instantiates it:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, EnrolmentBookExercise, testing::Values(EnrolmentBookFactory([] { return ...; })));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "base/entropy.h"
#include "store/enrolment_book.h"

namespace latchkey::store {

// What a book lives on, empty at first.
class EnrolmentBookUnderTest {
 public:
  virtual ~EnrolmentBookUnderTest() = default;
  // One more on the same data, as another process has it.
  [[nodiscard]] virtual std::unique_ptr<EnrolmentBook> open() = 0;
};
// nullptr: it cannot be tried here.
using EnrolmentBookFactory = std::function<std::unique_ptr<EnrolmentBookUnderTest>()>;

class EnrolmentBookExercise : public testing::TestWithParam<EnrolmentBookFactory> {
 protected:
  static constexpr WallTime kNow = base::from_unix_ms(1'800'000'000'000);

  void SetUp() override {
    under_test = GetParam()();
    if (!under_test) GTEST_SKIP() << "LATCHKEY_TEST_POSTGRES names no cluster";
  }
  [[nodiscard]] std::unique_ptr<EnrolmentBook> open() { return under_test->open(); }
  [[nodiscard]] EnrolledOffice issued(std::string label = "North Ltd") {
    return {.id = OfficeId::make(kNow, entropy),
            .label = std::move(label),
            .types = {"dropbox", "xero"},
            .flows_per_minute = 30,
            .code_digest = entropy.bytes(32),
            .issued_at = kNow,
            .code_ends_at = kNow + Seconds(3600)};
  }
  template <class T>
  [[nodiscard]] static std::string reason(const Result<T>& result) {
    return result ? "" : result.error().reason;
  }

  base::SeededEntropy entropy{11};
  std::unique_ptr<EnrolmentBookUnderTest> under_test;
};

}  // namespace latchkey::store
