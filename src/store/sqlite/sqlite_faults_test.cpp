// What the exercise suite cannot ask of every store: the file itself, its lock, its schema, and a disk that fails.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <semaphore>
#include <thread>

#include "store/exercise_testing.h"
#include "store/audit_chain.h"
#include "store/sqlite/faulty_vfs_testing.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

namespace latchkey::store {
namespace {

class SqliteFile : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return directory_.path() + "/latchkey.db"; }
  [[nodiscard]] Result<std::unique_ptr<Store>> open() {
    return open_sqlite_store({.path = path(), .program_version = "1.2.3", .vfs = vfs_.name()}, clock_, log_);
  }
  [[nodiscard]] std::string octets(const std::string& suffix = "") const {
    std::ifstream file(path() + suffix, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Behind the store's back.
  void run(const std::string& sql) const {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &handle), SQLITE_OK);
    char* problem = nullptr;
    sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, &problem);
    EXPECT_EQ(problem, nullptr) << problem;
    sqlite3_free(problem);
    sqlite3_close(handle);
  }
  [[nodiscard]] static Result<void> set(Store& store, const std::string& key, const std::string& value) {
    return wait_for(store.commit({PutSetting{{key, value}}}));
  }
  void fill(int entries) {
    auto store = open();
    ASSERT_TRUE(store) << store.error().detail;
    for (int i = 0; i < entries; ++i) {
      ASSERT_TRUE(wait_for((*store)->commit({AppendAudit{{.at = clock_.now(), .action = "x", .detail = std::to_string(i)}}})));
    }
  }

  TemporaryDirectory directory_;
  base::SimulatedWallClock clock_;
  base::MemoryLog log_;
  sqlite::FaultyVfs vfs_;
};

TEST_F(SqliteFile, AFileSystemWithoutAWriteAheadLogStopsTheStart) {
  vfs_.forbid_shared_memory();
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().reason, "store_unavailable");
  EXPECT_NE(store.error().text.find("local disk"), std::string::npos);
}

TEST_F(SqliteFile, ASecondServerIsToldWhoHoldsTheDirectory) {
  auto first = open();
  ASSERT_TRUE(first);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "data_in_use");
  EXPECT_NE(second.error().text.find("process " + std::to_string(::getpid())), std::string::npos) << second.error().text;
  *first = nullptr;
  EXPECT_TRUE(open()) << "and may start when that one has gone";
}

TEST_F(SqliteFile, NobodyElseMayReadIt) {
  ASSERT_TRUE(open_sqlite_store({.path = path()}, clock_, log_));
  const auto others = std::filesystem::perms::group_all | std::filesystem::perms::others_all;
  EXPECT_EQ(std::filesystem::status(path()).permissions() & others, std::filesystem::perms::none);
}

TEST_F(SqliteFile, AFutureSchemaIsRefusedUntouched) {
  fill(3);
  run("UPDATE store_info SET value = '9.9.0' WHERE key = 'written_by'; PRAGMA user_version = 99;");
  const auto before = octets();
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::corrupt);
  EXPECT_EQ(refused.error().reason, "future_schema");
  for (const char* word : {"9.9.0", "1.2.3", "schema 99", "restore", "Nothing was changed"}) {
    EXPECT_NE(refused.error().text.find(word), std::string::npos) << refused.error().text;
  }
  EXPECT_EQ(octets(), before);
}

// After a crash the version may stand in the log alone; the log stays as it is, too.
TEST_F(SqliteFile, AFutureSchemaStillInTheLogIsRefusedUntouched) {
  fill(3);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    sqlite3* handle = nullptr;
    sqlite3_open(path().c_str(), &handle);
    sqlite3_exec(handle, "PRAGMA journal_mode = WAL; PRAGMA user_version = 99;", nullptr, nullptr, nullptr);
    ::_exit(0);  // without closing
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  const auto before = octets(), log_before = octets("-wal");
  ASSERT_FALSE(log_before.empty());
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "future_schema");
  EXPECT_EQ(octets(), before);
  EXPECT_EQ(octets("-wal"), log_before);
}

TEST_F(SqliteFile, ADamagedFileIsRefusedUntouched) {
  fill(200);
  const auto sound = octets();
  ASSERT_GT(sound.size(), 40'000u);
  struct Damage {
    const char* what;
    std::size_t from;
    std::size_t size;
  };
  // Page 2 and later; the schema on page 1; the first line; everything.
  for (const auto& damage : {Damage{"a page", 4096 * 2, 4096}, Damage{"schema", 100, 300}, Damage{"magic", 0, 16},
                             Damage{"all", 0, sound.size()}}) {
    auto broken = sound;
    for (std::size_t i = 0; i < damage.size; ++i) broken[damage.from + i] = static_cast<char>(i * 37 + 11);
    std::ofstream(path(), std::ios::binary).write(broken.data(), static_cast<std::streamsize>(broken.size()));
    const auto refused = open();
    ASSERT_FALSE(refused) << damage.what;
    EXPECT_EQ(refused.error().kind, ErrorKind::corrupt) << damage.what << " " << refused.error().detail;
    EXPECT_EQ(refused.error().reason, "store_corrupt") << damage.what;
    EXPECT_NE(refused.error().text.find("latchkey restore BACKUP --replace"), std::string::npos) << "the journal there is needed";
    EXPECT_EQ(refused.error().text.find("aside"), std::string::npos) << "moved away, its journal would not be found";
    EXPECT_EQ(octets(), broken) << damage.what;
  }
  std::ofstream(path(), std::ios::binary).write(sound.data(), static_cast<std::streamsize>(sound.size()));
  EXPECT_TRUE(open()) << "the sound file opens";
}

TEST_F(SqliteFile, AnotherProgramsDatabaseIsRefusedUntouched) {
  run("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1);");
  const auto before = octets();
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "store_corrupt");
  EXPECT_EQ(octets(), before);
}

TEST_F(SqliteFile, SaysWhatItIs) {
  fill(1);
  const auto head = octets().substr(0, 100);
  EXPECT_EQ(head.substr(68, 4), "LKEY");
  EXPECT_EQ(head[63], static_cast<char>(sqlite::schema_version()));
}

TEST_F(SqliteFile, ADatabaseThatMayNotBeWrittenToIsSaidToBeThat) {
  auto store = open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(set(**store, "a", "1"));
  vfs_.set_fault([](sqlite::FileCall call, std::string_view) {
    return call == sqlite::FileCall::write ? SQLITE_READONLY : SQLITE_OK;
  });
  const auto refused = set(**store, "a", "2");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "store_unavailable");
  EXPECT_NE(refused.error().text.find("mounted read-only"), std::string::npos) << refused.error().text;
  EXPECT_EQ(wait_for((*store)->settings())->front().value, "1") << "reading goes on";
  vfs_.set_fault({});
  EXPECT_TRUE(set(**store, "a", "3"));
}

TEST_F(SqliteFile, AFullDiskUndoesTheBatchAndPassesWhenSpaceReturns) {
  auto store = open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(set(**store, "a", "1"));
  vfs_.set_fault([](sqlite::FileCall call, std::string_view) {
    return call == sqlite::FileCall::write ? SQLITE_FULL : SQLITE_OK;
  });
  const auto refused = set(**store, "a", "2");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(refused.error().reason, "store_unavailable");
  EXPECT_NE(refused.error().text.find("disk is full"), std::string::npos);
  EXPECT_FALSE(refused.error().detail.empty());
  EXPECT_EQ(wait_for((*store)->settings())->front().value, "1") << "reading goes on";
  vfs_.set_fault({});
  EXPECT_TRUE(set(**store, "a", "3"));
  EXPECT_EQ(wait_for((*store)->settings())->front().value, "3");
}

TEST_F(SqliteFile, AFailedWriteUndoesTheBatchAndIsOver) {
  auto store = open();
  ASSERT_TRUE(store);
  vfs_.set_fault([](sqlite::FileCall call, std::string_view) {
    return call == sqlite::FileCall::write ? SQLITE_IOERR_WRITE : SQLITE_OK;
  });
  EXPECT_EQ(set(**store, "a", "1").error().reason, "store_unavailable");
  vfs_.set_fault({});
  EXPECT_TRUE(set(**store, "a", "2"));
}

TEST_F(SqliteFile, AFailedSyncStopsAllWritingUntilARestart) {
  auto store = open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(set(**store, "a", "1"));
  vfs_.set_fault([](sqlite::FileCall call, std::string_view suffix) {
    return call == sqlite::FileCall::sync && suffix == "-wal" ? SQLITE_IOERR_FSYNC : SQLITE_OK;
  });
  const auto unknown = set(**store, "a", "2");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::ambiguous);
  EXPECT_EQ(unknown.error().reason, "commit_ambiguous");
  vfs_.set_fault({});
  const int syncs = vfs_.syncs();
  for (int i = 0; i < 3; ++i) {
    const auto refused = set(**store, "a", "3");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
    EXPECT_NE(refused.error().text.find("restart"), std::string::npos);
  }
  EXPECT_EQ(vfs_.syncs(), syncs) << "a sync that failed is never tried again";
  EXPECT_EQ(wait_for((*store)->settings())->front().value, "1");
  EXPECT_NE(log_.text().find("store_stopped"), std::string::npos);
  *store = nullptr;
  EXPECT_EQ(vfs_.syncs(), syncs) << "not even on the way out";
  store = open();
  ASSERT_TRUE(store);
  EXPECT_TRUE(set(**store, "a", "4"));
}

// SQLite syncs the head of its log when that begins anew, and a batch that does not fit into its memory writes to the log before COMMIT.
TEST_F(SqliteFile, ASyncThatFailsBeforeTheCommitStopsAllWritingToo) {
  std::atomic<int> failed = 0;  // outlives the store, whose end asks the fault as well
  auto store = open_sqlite_store({.path = path(), .checkpoint_pages = 1, .vfs = vfs_.name()}, clock_, log_);
  ASSERT_TRUE(store);
  ASSERT_TRUE(set(**store, "a", "1"));
  vfs_.set_fault([&failed](sqlite::FileCall call, std::string_view suffix) {
    if (call != sqlite::FileCall::sync || suffix != "-wal" || failed > 0) return SQLITE_OK;
    ++failed;
    return SQLITE_IOERR_FSYNC;
  });
  Batch large;
  for (int i = 0; i < 800; ++i) large.push_back(AppendAudit{{.at = clock_.now(), .action = "x", .detail = std::string(6'000, 'y')}});
  const auto undone = wait_for((*store)->commit(std::move(large)));
  ASSERT_EQ(failed, 1);
  ASSERT_FALSE(undone);
  EXPECT_EQ(undone.error().kind, ErrorKind::unavailable) << "before the commit: nothing of it is kept";
  EXPECT_NE(undone.error().text.find("restart"), std::string::npos) << undone.error().text;
  const int syncs = vfs_.syncs();
  EXPECT_FALSE(set(**store, "a", "2"));
  const auto asked = wait_for((*store)->now());
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().reason, "store_stopped");
  EXPECT_NE(log_.text().find("store_stopped"), std::string::npos);
  *store = nullptr;
  EXPECT_EQ(vfs_.syncs(), syncs) << "a sync that failed is never tried again, not even on the way out";
  store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(wait_for((*store)->settings())->front().value, "1");
  EXPECT_TRUE(wait_for((*store)->audit({}))->items.empty());
  EXPECT_TRUE(set(**store, "a", "3"));
}

TEST_F(SqliteFile, AStoreThatHasStoppedSaysSoWhenAskedHowItIs) {
  auto store = open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(wait_for((*store)->now()));
  vfs_.set_fault([](sqlite::FileCall call, std::string_view suffix) {
    return call == sqlite::FileCall::sync && suffix == "-wal" ? SQLITE_IOERR_FSYNC : SQLITE_OK;
  });
  ASSERT_FALSE(set(**store, "a", "1"));
  vfs_.set_fault({});
  const auto asked = wait_for((*store)->now());
  ASSERT_FALSE(asked) << "though it can be read";
  EXPECT_EQ(asked.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(asked.error().reason, "store_stopped");
  EXPECT_NE(asked.error().text.find("restart the server"), std::string::npos) << asked.error().text;
  EXPECT_TRUE(wait_for((*store)->settings()));
}

// SQLite's own layer answers SQLITE_IOERR_CORRUPTFS where the disk says EIO, and its engine calls that damage.
TEST_F(SqliteFile, ADiskThatCannotBeReadIsNoDamageAndPasses) {
  auto store = open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(set(**store, "a", "1"));
  ASSERT_TRUE(wait_for((*store)->now()));
  for (const int code : {SQLITE_IOERR_READ, SQLITE_IOERR_CORRUPTFS}) {
    vfs_.set_fault([code](sqlite::FileCall call, std::string_view) { return call == sqlite::FileCall::read ? code : SQLITE_OK; });
    const auto asked = wait_for((*store)->now());
    ASSERT_FALSE(asked) << "whatever SQLite has in memory";
    EXPECT_EQ(asked.error().reason, "store_unreadable");
    const auto groups = wait_for((*store)->groups());
    ASSERT_FALSE(groups) << "never asked before";
    EXPECT_EQ(groups.error().kind, ErrorKind::unavailable) << groups.error().text;
    EXPECT_EQ(groups.error().reason, "store_unavailable");
    EXPECT_NE(groups.error().text.find("cannot be read"), std::string::npos) << groups.error().text;
    EXPECT_NE(groups.error().text.find("neither a restart nor a restore"), std::string::npos) << groups.error().text;
    vfs_.set_fault({});
    EXPECT_TRUE(wait_for((*store)->now()));
    EXPECT_TRUE(set(**store, "a", "2")) << "it goes on by itself";
  }
}

TEST_F(SqliteFile, DamageThatKeepsWhatIsDueFromBeingReadIsNoticedUntilItCanBe) {
  auto store = open();
  ASSERT_TRUE(store);
  const auto due = [&] { return wait_for((*store)->due_grants(NodeId(), clock_.now(), 10, {})); };
  ASSERT_TRUE(wait_for((*store)->now())) << "what it reads by itself is in SQLite's memory from now on";
  // The log alone holds the tables yet; the head of the file is sound.
  vfs_.set_fault([](sqlite::FileCall call, std::string_view suffix) {
    return call == sqlite::FileCall::read && suffix == "-wal" ? SQLITE_CORRUPT : SQLITE_OK;
  });
  ASSERT_TRUE(wait_for((*store)->now()));
  const auto found = due();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().reason, "store_corrupt");
  const auto asked = wait_for((*store)->now());
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().kind, ErrorKind::corrupt);
  EXPECT_NE(asked.error().text.find("latchkey restore BACKUP --replace"), std::string::npos);
  vfs_.set_fault({});
  EXPECT_TRUE(wait_for((*store)->now()));
}

TEST_F(SqliteFile, ADiskThatCannotBeReadAtTheStartIsNotCalledDamage) {
  fill(200);
  int reads_left = 0;
  vfs_.set_fault([&reads_left](sqlite::FileCall call, std::string_view) {
    return call == sqlite::FileCall::read && --reads_left < 0 ? SQLITE_IOERR_CORRUPTFS : SQLITE_OK;
  });
  bool opened = false;
  for (int sound = 0; !opened; ++sound) {
    reads_left = sound;
    const auto store = open();
    opened = store.has_value();
    if (opened) break;
    ASSERT_EQ(store.error().reason, "store_unavailable") << "after " << sound << " reads: " << store.error().text << store.error().detail;
    ASSERT_LT(sound, 1'000);
  }
  EXPECT_TRUE(opened);
}

TEST(SqliteErrors, TellWhatFailedAndWhatToDo) {
  const auto text = [](int code) { return sqlite::error_of(code, "").text; };
  for (const int code : {SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_CORRUPTFS}) {
    EXPECT_EQ(sqlite::error_of(code, "").kind, ErrorKind::unavailable);
    EXPECT_NE(text(code).find("cannot be read"), std::string::npos) << text(code);
  }
  for (const int code : {SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC, SQLITE_IOERR_TRUNCATE}) {
    EXPECT_EQ(sqlite::error_of(code, "").reason, "store_unavailable");
    EXPECT_NE(text(code).find("is written"), std::string::npos) << text(code);
    EXPECT_EQ(text(code).find("restart"), std::string::npos) << "one failed sync asks for one";
  }
  for (const int code : {SQLITE_CORRUPT, SQLITE_CORRUPT_INDEX, SQLITE_NOTADB}) {
    EXPECT_EQ(sqlite::error_of(code, "").reason, "store_corrupt");
    EXPECT_NE(text(code).find("damaged"), std::string::npos) << text(code);
  }
}

TEST_F(SqliteFile, ManyCommitsShareOneSync) {
  auto store = open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(set(**store, "a", "1"));
  const int before = vfs_.syncs();
  std::binary_semaphore held{0};
  vfs_.set_fault([&held](sqlite::FileCall call, std::string_view) {
    if (call != sqlite::FileCall::sync) return SQLITE_OK;
    held.acquire();
    held.release();
    return SQLITE_OK;
  });
  boost::asio::io_context loop(1);
  int written = 0;
  const auto put_one = [](Store* to, std::string key, int* count) -> Task<void> {
    const auto done = co_await to->commit({PutSetting{{std::move(key), "v"}}});
    *count += done ? 1 : 0;
  };
  for (int i = 0; i < 200; ++i) {
    boost::asio::co_spawn(loop, put_one(store->get(), std::to_string(i), &written), boost::asio::detached);
  }
  loop.poll();
  held.release();
  loop.run();
  vfs_.set_fault({});
  EXPECT_EQ(written, 200);
  EXPECT_LE(vfs_.syncs() - before, 4);
}

// Two readers who take turns: each begins before the other ends, so that never nobody reads.
void read_without_pause(const std::string& path, const std::atomic<bool>& over) {
  sqlite3* readers[2] = {};
  for (auto& reader : readers) EXPECT_EQ(sqlite3_open(path.c_str(), &reader), SQLITE_OK);
  for (int turn = 0; !over; ++turn) {
    auto* next = readers[turn % 2];
    sqlite3_exec(next, "BEGIN; SELECT count(*) FROM audit;", nullptr, nullptr, nullptr);
    sqlite3_exec(readers[(turn + 1) % 2], "END", nullptr, nullptr, nullptr);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // what reading takes
  }
  for (auto* reader : readers) sqlite3_close(reader);
}

TEST_F(SqliteFile, TheLogStaysShortThoughSomebodyAlwaysReads) {
  auto store = open_sqlite_store({.path = path(), .checkpoint_pages = 20}, clock_, log_);
  ASSERT_TRUE(store);
  std::atomic<bool> over = false;
  std::thread reading(read_without_pause, path(), std::cref(over));
  for (int i = 0; i < 400; ++i) {
    Batch batch{AppendAudit{{.at = clock_.now(), .action = "x", .detail = std::string(6'000, 'y')}}};
    EXPECT_TRUE(wait_for((*store)->commit(std::move(batch))));
  }
  const auto log_bytes = octets("-wal").size();
  over = true;
  reading.join();
  EXPECT_LT(log_bytes, 250u * 4'120) << "some 2,000 pages were written";
}

TEST_F(SqliteFile, TheAuditTrailCannotBeChangedUnnoticed) {
  fill(5);
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, "UPDATE audit SET detail = 'other' WHERE sequence = 3", nullptr, nullptr, nullptr),
            SQLITE_CONSTRAINT);
  EXPECT_EQ(sqlite3_exec(handle, "DELETE FROM audit WHERE sequence = 3", nullptr, nullptr, nullptr), SQLITE_CONSTRAINT);
  sqlite3_close(handle);
  const auto found = [&] {
    auto store = open();
    const auto answer = wait_for((*store)->verify_audit());
    EXPECT_TRUE(answer);
    return *answer;
  };
  EXPECT_EQ(found(), std::nullopt);
  run("DROP TRIGGER audit_keeps_words; UPDATE audit SET detail = 'other' WHERE sequence = 3;");
  EXPECT_EQ(found(), 3);
  run("UPDATE audit SET detail = '2' WHERE sequence = 3; DROP TRIGGER audit_keeps_rows; DELETE FROM audit WHERE sequence = 2;");
  EXPECT_EQ(found(), 3) << "the entry after the missing one";
}

TEST(AuditChain, HashesWhatTheHeaderSays) {
  AuditEntry entry;
  entry.sequence = 1;
  entry.at = base::from_unix_ms(1'700'000'000'000);
  entry.actor = "cli";
  entry.action = "group.created";
  entry.subject = "Office";
  // printf 'latchkey.audit.1', 32 zeros, 1, 1700000000000, 16 zeros, lengths and texts | sha256sum
  EXPECT_EQ(base::to_hex(chain_hash({}, entry)), "f578f9df00baaf6e6cc8ed71ec8c8cd3bafeb2136ee29de4ee1a643efd722d52");
  auto other = entry;
  other.actor = "cl";
  other.action = "igroup.created";
  EXPECT_NE(chain_hash({}, other), chain_hash({}, entry)) << "fields do not run into each other";
}

// The child tells how many batches were answered, then is killed in the middle of its work.
TEST_F(SqliteFile, WhatWasAnsweredIsThereAfterAKill) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto store = open_sqlite_store({.path = path()}, clock_, log_);
    if (!store) ::_exit(1);
    for (int i = 0;; ++i) {
      if (!set(**store, "count", std::to_string(i))) ::_exit(1);
      if (::write(ends[1], &i, sizeof i) != sizeof i) ::_exit(1);
    }
  }
  ::close(ends[1]);
  int answered = -1;
  for (int value = 0; ::read(ends[0], &value, sizeof value) == sizeof value; answered = value) {
    if (value == 40) ::kill(child, SIGKILL);
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  auto store = open();
  ASSERT_TRUE(store) << store.error().text;
  EXPECT_GE(std::stoi(wait_for((*store)->settings())->front().value), answered);
  EXPECT_GE(answered, 40);
}

}  // namespace
}  // namespace latchkey::store
