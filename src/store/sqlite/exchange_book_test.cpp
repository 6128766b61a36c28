// The exercise suite on the file and on the fake, and what the file alone must do.
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>

#include "store/exercise_exchanges_testing.h"
#include "store/memory_exchange_book_testing.h"
#include "store/sqlite/faulty_vfs_testing.h"
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

// No file grows beyond a size: what a full disk is to whoever reserves room.
class NoLargeFiles {
 public:
  NoLargeFiles() {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{.rlim_cur = 1 << 20, .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  }
  NoLargeFiles(const NoLargeFiles&) = delete;
  NoLargeFiles& operator=(const NoLargeFiles&) = delete;
  ~NoLargeFiles() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

TEST(ExchangeBookFile, S4_NothingIsClaimedOnADiskWithoutRoomForTheReply) {
  const TemporaryDirectory folder;
  auto book = open_sqlite_exchange_book(folder.path() + "/exchanges.db");
  ASSERT_TRUE(book);
  base::SeededEntropy entropy{3};
  const auto now = base::from_unix_ms(1'800'000'000'000);
  const auto office = OfficeId::make(now, entropy);
  const auto intent = IntentId::make(now, entropy);
  const auto nonce = entropy.bytes(16);
  {
    const NoLargeFiles full;
    const auto refused = (*book)->claim(office, intent, 1, nonce, now);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "store_unavailable");
    EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
  }
  EXPECT_EQ((*book)->counts()->asked, 0);
  EXPECT_TRUE((*book)->claim(office, intent, 1, nonce, now)) << "not even its nonce was used";
}

TEST(ExchangeBookFile, S4_ADiskThatFillsUpAfterTheClaimTakesTheReplyAllTheSame) {
  const TemporaryDirectory folder;
  const auto path = folder.path() + "/exchanges.db";
  sqlite::FaultyVfs vfs;
  auto book = open_sqlite_exchange_book(path, vfs.name());
  ASSERT_TRUE(book);
  base::SeededEntropy entropy{3};
  const auto now = base::from_unix_ms(1'800'000'000'000);
  const auto office = OfficeId::make(now, entropy);
  const auto intent = IntentId::make(now, entropy);
  ASSERT_TRUE((*book)->claim(office, intent, 1, entropy.bytes(16), now));
  struct stat room{};
  ASSERT_EQ(::stat((path + ".room").c_str(), &room), 0);
  EXPECT_GE(room.st_blocks * 512, kReplyRoom) << "room, and not a hole of that size";
  EXPECT_EQ(room.st_mode & 0777, 0600U);
  // Full to the last octet, but for what was reserved.
  vfs.set_fault([&](sqlite::FileCall call, std::string_view) {
    return call == sqlite::FileCall::write && std::filesystem::file_size(path + ".room") > 0 ? SQLITE_FULL : SQLITE_OK;
  });
  const auto reply = entropy.bytes(60 * 1024);
  ASSERT_TRUE((*book)->keep_reply(office, intent, 1, reply, now));
  vfs.set_fault(nullptr);
  book->reset();
  book = open_sqlite_exchange_book(path);
  ASSERT_TRUE(book);
  EXPECT_EQ((**(*book)->claim(office, intent, 1, entropy.bytes(16), now)).reply, reply);
}

TEST(ExchangeBookFile, AnotherBookIsLeftAlone) {
  const TemporaryDirectory folder;
  const auto path = folder.path() + "/relay.db";
  ASSERT_TRUE(open_sqlite_enrolment_book(path));
  const auto opened = open_sqlite_exchange_book(path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().reason, "not_a_book");
}

}  // namespace
}  // namespace latchkey::store
