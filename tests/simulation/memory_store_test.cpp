// The store that several simulated nodes share passes what every store must pass.
#include "memory_store.h"

#include <gtest/gtest.h>

#include "store/exercise_testing.h"

namespace latchkey::simulation {
namespace {

class MemoryUnderTest final : public store::StoreUnderTest {
 public:
  explicit MemoryUnderTest(WallClock& clock) : store_(clock) {}
  store::Store& store() override { return store_; }
  void reopen() override {}  // what it holds is its data

 private:
  MemoryStore store_;
};

}  // namespace
}  // namespace latchkey::simulation

namespace latchkey::store {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, StoreExercise, ::testing::Values(StoreFactory([](WallClock& clock) {
                           return std::make_unique<simulation::MemoryUnderTest>(clock);
                         })));

}  // namespace
}  // namespace latchkey::store
