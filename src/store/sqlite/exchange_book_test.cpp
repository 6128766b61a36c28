// The exercise suite on the file and on the fake, and what the file alone must do.
#include <sys/stat.h>

#include "store/exercise_exchanges_testing.h"
#include "store/memory_exchange_book_testing.h"
#include "store/store_testing.h"

namespace latchkey::store {
namespace {

class OnFile final : public ExchangeBookUnderTest {
 public:
  OnFile() { reopen(); }
  ExchangeBook& book() override { return *book_; }
  void reopen() override {
    book_.reset();
    auto opened = open_sqlite_exchange_book(folder_.path() + "/exchanges.db");
    ASSERT_TRUE(opened) << opened.error().text;
    book_ = std::move(*opened);
  }

 private:
  TemporaryDirectory folder_;
  std::unique_ptr<ExchangeBook> book_;
};

class InMemory final : public ExchangeBookUnderTest {
 public:
  ExchangeBook& book() override { return book_; }
  void reopen() override {}

 private:
  MemoryExchangeBook book_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, ExchangeBookExercise,
                         testing::Values(ExchangeBookFactory([] { return std::make_unique<OnFile>(); })));
INSTANTIATE_TEST_SUITE_P(Memory, ExchangeBookExercise,
                         testing::Values(ExchangeBookFactory([] { return std::make_unique<InMemory>(); })));

TEST(ExchangeBookFile, IsItsOwnersAlone) {
  const TemporaryDirectory folder;
  const auto path = folder.path() + "/exchanges.db";
  ASSERT_TRUE(open_sqlite_exchange_book(path));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST(ExchangeBookFile, AnotherBookIsLeftAlone) {
  const TemporaryDirectory folder;
  const auto path = folder.path() + "/relay.db";
  ASSERT_TRUE(EnrolmentBook::open(path));
  const auto opened = open_sqlite_exchange_book(path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().reason, "not_a_book");
}

}  // namespace
}  // namespace latchkey::store
