#include "store/sqlite/sqlite_store.h"

#include <gtest/gtest.h>

#include "store/exercise_testing.h"

namespace latchkey::store {
namespace {

class SqliteUnderTest final : public StoreUnderTest {
 public:
  explicit SqliteUnderTest(WallClock& clock) : clock_(clock) { open(); }
  Store& store() override { return *store_; }
  void reopen() override {
    store_ = nullptr;
    open();
  }

 private:
  void open() {
    auto opened = open_sqlite_store({.path = directory_.path() + "/latchkey.db"}, clock_, log_);
    LATCHKEY_CHECK(opened.has_value());
    store_ = *std::move(opened);
  }

  WallClock& clock_;
  TemporaryDirectory directory_;
  base::MemoryLog log_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreExercise, ::testing::Values(StoreFactory([](WallClock& clock) {
                           return std::make_unique<SqliteUnderTest>(clock);
                         })));

}  // namespace
}  // namespace latchkey::store
