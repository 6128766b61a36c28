// One exercise suite that every Store must pass. A store's own test file instantiates it with a way to make an empty one:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, StoreExercise, ::testing::Values(StoreFactory([] { return ...; })));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "base/entropy.h"
#include "store/store.h"
#include "store/store_testing.h"

namespace latchkey::store {

// An empty store, the clock its leases go by, and what it lives on.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  [[nodiscard]] virtual Store& store() = 0;
  // Closes and opens again on the same data.
  virtual void reopen() = 0;
};
// nullptr: what the store lives on is not here, the test is skipped.
using StoreFactory = std::function<std::unique_ptr<StoreUnderTest>(WallClock&)>;

class StoreExercise : public ::testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override {
    under_test_ = GetParam()(clock_);
    if (under_test_ == nullptr) GTEST_SKIP() << "what this store lives on is not here";
  }

  [[nodiscard]] Store& store() { return under_test_->store(); }
  void reopen() { under_test_->reopen(); }
  [[nodiscard]] WallTime now() const { return clock_.now(); }

  // Commits and expects success.
  void put(Batch batch);
  // Commits and expects a refusal, which it returns.
  [[nodiscard]] Error refusal(Batch batch);
  // The value of a question that must be answered.
  template <class T>
  [[nodiscard]] T ask(Task<Result<T>> question) {
    auto answer = wait_for(std::move(question));
    EXPECT_TRUE(answer) << answer.error().reason << " " << answer.error().detail;
    return answer ? *std::move(answer) : T();
  }

  template <class Id>
  [[nodiscard]] Id id() {
    return Id::make(clock_.now(), entropy_);
  }
  // Records with every field filled, none committed.
  [[nodiscard]] Group group(const std::string& name);
  [[nodiscard]] User user(const Group& group, const std::string& name);
  [[nodiscard]] App app(const std::string& id);
  [[nodiscard]] Grant grant(const User& user, const std::string& type);
  [[nodiscard]] Generation generation(const Grant& grant, GenerationNumber number);
  [[nodiscard]] Intent intent(const GrantId& grant, GenerationNumber number);
  [[nodiscard]] Authorization authorization(const std::string& username_key);
  [[nodiscard]] Connector connector(const std::string& id);
  [[nodiscard]] Delivery delivery(const std::string& connector);
  [[nodiscard]] Device device(const std::string& name);

  base::SimulatedWallClock clock_;
  base::SeededEntropy entropy_{20261123};
  std::unique_ptr<StoreUnderTest> under_test_;
};

}  // namespace latchkey::store
