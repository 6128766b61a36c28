#include "store/enrolment_book.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>

#include "base/entropy.h"
#include "store/exercise_enrolments_testing.h"
#include "store/sqlite/connection.h"
#include "store/store_testing.h"

namespace latchkey::store {
namespace {

constexpr WallTime kNow = base::from_unix_ms(1'800'000'000'000);

class OnFile final : public EnrolmentBookUnderTest {
 public:
  std::unique_ptr<EnrolmentBook> open() override {
    auto opened = open_sqlite_enrolment_book(folder_.path() + "/relay.db");
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().text);
    return opened ? std::move(*opened) : nullptr;
  }

 private:
  TemporaryDirectory folder_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, EnrolmentBookExercise,
                         testing::Values(EnrolmentBookFactory([] { return std::make_unique<OnFile>(); })));

template <class T>
std::string reason(const Result<T>& result) {
  return result ? "" : result.error().reason;
}

TEST(EnrolmentBookFile, S1_AStrangersGuessWaitsForNoWriterAndMakesNoneWait) {
  const TemporaryDirectory folder;
  const auto path = folder.path() + "/relay.db";
  base::SeededEntropy entropy{11};
  auto opened = open_sqlite_enrolment_book(path);
  ASSERT_TRUE(opened);
  auto& book = *opened;
  const EnrolledOffice office{.id = OfficeId::make(kNow, entropy),
                              .label = "North Ltd",
                              .types = {},
                              .code_digest = entropy.bytes(32),
                              .issued_at = kNow,
                              .code_ends_at = kNow + Seconds(3600),
                              .enrolled_at = {},
                              .revoked_at = {},
                              .keys = {},
                              .return_origins = {},
                              .verified_name = {},
                              .verified_at = {}};
  ASSERT_TRUE(book->issue(office));
  auto writing = sqlite::Connection::open(path, sqlite::Access::writer, 1 << 20, "");
  ASSERT_TRUE(writing);
  ASSERT_TRUE((*writing)->run_script("BEGIN IMMEDIATE"));
  const auto stranger = OfficeId::make(kNow, entropy);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(reason(book->redeem(stranger, office.code_digest, "keys", {}, kNow)), "code_unknown");
  EXPECT_EQ(reason(book->redeem(office.id, entropy.bytes(32), "keys", {}, kNow)), "code_unknown");
  EXPECT_LT(std::chrono::steady_clock::now() - before, Seconds(2)) << "whoever waits for a writer waits five";
  ASSERT_TRUE((*writing)->run_script("ROLLBACK"));
  EXPECT_TRUE(book->redeem(office.id, office.code_digest, "keys", {}, kNow));
}

TEST(EnrolmentBookFile, IsItsOwnersAndAnotherProgramsFileIsLeftAlone) {
  const TemporaryDirectory folder;
  const auto path = folder.path() + "/relay.db";
  ASSERT_TRUE(open_sqlite_enrolment_book(path));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  const auto other = folder.path() + "/other.db";
  auto db = sqlite::Connection::open(other, sqlite::Access::writer, 1 << 20, "");
  ASSERT_TRUE(db);
  ASSERT_TRUE((*db)->run_script("CREATE TABLE theirs (x); PRAGMA application_id = 7;"));
  db->reset();
  EXPECT_EQ(reason(open_sqlite_enrolment_book(other)), "not_a_book");
}

}  // namespace
}  // namespace latchkey::store
