#include "store/backup_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "store/journal_reading.h"
#include "store/reply_journal.h"
#include "store/sqlite/snapshot.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_testing.h"

namespace latchkey::store {
namespace {

constexpr BackupCost kCheap{.memory_kib = 64, .passes = 1};

class BackupFile : public ::testing::Test {
 protected:
  BackupFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-backup-XXXXXX").string();
    folder = mkdtemp(pattern.data());
  }
  ~BackupFile() override { std::filesystem::remove_all(folder); }

  std::string path(const std::string& name = "office.lkb") const { return (folder / name).string(); }
  Secret passphrase() const { return Secret("a long and secret phrase"); }
  void write(const std::vector<std::pair<BackupSection, std::vector<Bytes>>>& sections) {
    auto writer = BackupWriter::create(path(), files, passphrase(), kCheap, {{"made_at", 42}}, entropy);
    ASSERT_TRUE(writer) << writer.error().text;
    for (const auto& [section, pieces] : sections) {
      ASSERT_TRUE((*writer)->begin(section));
      for (const auto& piece : pieces) ASSERT_TRUE((*writer)->write(piece));
      ASSERT_TRUE((*writer)->end());
    }
    ASSERT_TRUE((*writer)->finish());
    EXPECT_EQ((*writer)->size_bytes(), std::filesystem::file_size(path()));
  }
  // "whole", or why not.
  std::string read_all(const Secret& phrase) {
    auto reader = BackupReader::open(path(), files, phrase);
    if (!reader) return reader.error().reason;
    for (;;) {
      const auto section = (*reader)->next();
      if (!section) return section.error().reason;
      if (!*section) return "whole";
      for (;;) {
        const auto piece = (*reader)->read();
        if (!piece) return piece.error().reason;
        if (!*piece) break;
      }
    }
  }
  std::string content() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put_content(const std::string& octets) { std::ofstream(path(), std::ios::binary | std::ios::trunc) << octets; }

  std::filesystem::path folder;
  SystemFiles files;
  base::SeededEntropy entropy{3};
};

TEST_F(BackupFile, GivesBackWhatWasWrittenPieceByPiece) {
  const BackupSection database{.name = "latchkey.db", .kind = "sqlite"};
  const BackupSection empty{.name = "journal", .kind = "journal"};
  const Bytes large(kBackupPieceMax, 7);
  const Bytes canary = base::to_bytes("canary-of-the-store");
  write({{database, {large, canary}}, {empty, {}}});
  EXPECT_EQ(content().find("canary"), std::string::npos);
  EXPECT_EQ(std::filesystem::status(path()).permissions() & std::filesystem::perms(0077), std::filesystem::perms::none);

  auto reader = BackupReader::open(path(), files, passphrase());
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->manifest().at("made_at").as_int64(), 42);
  EXPECT_EQ((*reader)->next()->value(), database);
  EXPECT_TRUE(std::ranges::equal((*reader)->read()->value().reveal(), large));
  EXPECT_TRUE(std::ranges::equal((*reader)->read()->value().reveal(), canary));
  EXPECT_EQ(*(*reader)->read(), std::nullopt);
  EXPECT_EQ((*reader)->next()->value(), empty);
  EXPECT_EQ(*(*reader)->read(), std::nullopt);
  EXPECT_EQ(*(*reader)->next(), std::nullopt);
}

TEST_F(BackupFile, NamesEveryReasonNotToBeRead) {
  write({{{.name = "a", .kind = "provider"}, {base::to_bytes("content")}}});
  EXPECT_EQ(read_all(passphrase()), "whole");
  EXPECT_EQ(read_all(Secret("another phrase")), "wrong_passphrase");
  const auto good = content();
  put_content("x" + good);
  EXPECT_EQ(read_all(passphrase()), "not_a_backup");
  auto future = good;
  future[9] = 2;
  put_content(future);
  EXPECT_EQ(read_all(passphrase()), "future_backup");
  for (const auto& [at, what] : {std::pair<std::size_t, std::string>{10, "memory"}, {14, "passes"}}) {
    put_content(std::string(good).replace(at, 4, 4, '\0'));
    const auto refused = BackupReader::open(path(), files, passphrase());
    ASSERT_FALSE(refused) << what;
    EXPECT_EQ(refused.error().reason, "backup_damaged") << what;
    EXPECT_NE(refused.error().text.find(path() + " is damaged. Use another copy"), std::string::npos) << refused.error().text;
  }
  std::filesystem::remove(path());
  EXPECT_EQ(read_all(passphrase()), "no_file");
}

TEST_F(BackupFile, EveryAlteredOctetAndEveryCutIsNoticed) {
  write({{{.name = "a", .kind = "provider"}, {base::to_bytes("content"), base::to_bytes("more")}}});
  const auto good = content();
  for (std::size_t at = 10; at < good.size(); ++at) {
    auto altered = good;
    altered[at] = static_cast<char>(altered[at] ^ 1);
    put_content(altered);
    EXPECT_NE(read_all(passphrase()), "whole") << at;
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    put_content(good.substr(0, size));
    const auto why = read_all(passphrase());
    EXPECT_TRUE(why == "backup_truncated" || (size < 8 && why == "not_a_backup")) << size << " " << why;
  }
}

TEST_F(BackupFile, PiecesCannotChangePlacesOrBeLeftOut) {
  write({{{.name = "a", .kind = "provider"}, {base::to_bytes("first!"), base::to_bytes("second")}}});
  const auto good = content();
  // Head, manifest and beginning; then two pieces of equal length.
  std::vector<std::string> pieces;
  std::size_t at = 74;
  while (at < good.size()) {
    const auto size = static_cast<std::size_t>(static_cast<unsigned char>(good[at + 2]) << 8 | static_cast<unsigned char>(good[at + 3])) + 4;
    pieces.push_back(good.substr(at, size));
    at += size;
  }
  ASSERT_EQ(pieces.size(), 6u);
  const auto head = good.substr(0, 74);
  put_content(head + pieces[0] + pieces[1] + pieces[3] + pieces[2] + pieces[4] + pieces[5]);
  EXPECT_EQ(read_all(passphrase()), "backup_damaged");
  put_content(head + pieces[0] + pieces[1] + pieces[3] + pieces[4] + pieces[5]);
  EXPECT_EQ(read_all(passphrase()), "backup_damaged");
}

TEST_F(BackupFile, NothingIsWrittenOver) {
  put_content("precious");
  EXPECT_FALSE(BackupWriter::create(path(), files, passphrase(), kCheap, {}, entropy));
  EXPECT_EQ(content(), "precious");
}

TEST_F(BackupFile, ASnapshotSaysWhatItIsAndIsReadByNobodyElse) {
  base::SystemWallClock clock;
  base::MemoryLog log;
  const auto database = path("latchkey.db");
  auto store = open_sqlite_store({.path = database, .program_version = "1.2.3"}, clock, log);
  ASSERT_TRUE(store);
  const auto put = [&](const std::string& key) {
    ASSERT_TRUE(wait_for((*store)->commit({PutMeta{key, base::to_bytes("value")}})));
  };
  put("before");
  ASSERT_TRUE(wait_for((*store)->commit({PutMeta{"master_key_id", Bytes(16, 5)}})));
  const auto facts = snapshot_sqlite(database, path("copy.db"), "1.2.3", {});
  ASSERT_TRUE(facts) << facts.error().text << facts.error().detail;
  EXPECT_EQ(facts->master_key_id, Bytes(16, 5));
  EXPECT_EQ(facts->written_by, "1.2.3");
  EXPECT_EQ(std::filesystem::status(path("copy.db")).permissions() & std::filesystem::perms(0077), std::filesystem::perms::none);
  store->reset();
  std::filesystem::create_directory(folder / "copied");
  std::filesystem::rename(path("copy.db"), folder / "copied" / "latchkey.db");
  auto copied = open_sqlite_store({.path = (folder / "copied" / "latchkey.db").string(), .program_version = "1.2.3"}, clock, log);
  ASSERT_TRUE(copied);
  EXPECT_EQ(*wait_for((*copied)->meta("before")), base::to_bytes("value"));
  EXPECT_EQ(snapshot_sqlite(path("none.db"), path("copy2.db"), "1.2.3", {}).error().reason, "no_store");
}

// Two rows that always change together, each of hundreds of pages, one written before and one after many pages of others: so both lie on
// pages that the copy reaches in different steps.
class SnapshotWhileWriting : public BackupFile {
 protected:
  static constexpr std::size_t kRowBytes = 1 << 20;
  static constexpr int kStepsWithoutBeginningAgain = 40;  // the pages are some 7 steps' worth

  SnapshotWhileWriting() {
    store = *open_sqlite_store({.path = path("latchkey.db"), .program_version = "1.2.3"}, clock, log);
    EXPECT_TRUE(wait_for(store->commit({PutMeta{"first", row()}})));
    for (int i = 0; i < 24; ++i) EXPECT_TRUE(wait_for(store->commit({PutMeta{"other-" + std::to_string(i), Bytes(kRowBytes, 200)}})));
    EXPECT_TRUE(wait_for(store->commit({PutMeta{"last", row()}})));
  }
  Bytes row() const { return Bytes(kRowBytes, static_cast<std::uint8_t>(moment)); }
  void change_both() {
    ++moment;
    ASSERT_TRUE(wait_for(store->commit({PutMeta{"first", row()}, PutMeta{"last", row()}})));
  }
  // Both rows of the copy.
  std::pair<Bytes, Bytes> copied() {
    std::filesystem::create_directory(folder / "copied");
    std::filesystem::rename(path("copy.db"), folder / "copied" / "latchkey.db");
    const auto copy = open_sqlite_store({.path = (folder / "copied" / "latchkey.db").string(), .program_version = "1.2.3"}, clock, log);
    if (!copy) return {};
    return {*wait_for((*copy)->meta("first")), *wait_for((*copy)->meta("last"))};
  }

  base::SystemWallClock clock;
  base::MemoryLog log;
  std::unique_ptr<Store> store;
  int moment = 1;
};

TEST_F(SnapshotWhileWriting, WhatIsCommittedBetweenItsStepsNeitherComesInNorMakesItBeginAgain) {
  int steps = 0;
  const auto facts = snapshot_sqlite(path("latchkey.db"), path("copy.db"), "1.2.3", [&](std::int64_t, std::int64_t) {
    if (++steps <= kStepsWithoutBeginningAgain) change_both();
  });
  ASSERT_TRUE(facts) << facts.error().text << facts.error().detail;
  EXPECT_GE(steps, 5) << "in one step nothing could come in between";
  EXPECT_LE(steps, kStepsWithoutBeginningAgain) << "it began again after every write";
  const auto [first, last] = copied();
  EXPECT_EQ(first, Bytes(kRowBytes, 1)) << "it is not as of the moment it began";
  EXPECT_EQ(last, Bytes(kRowBytes, 1)) << "it is not as of the moment it began";
}

TEST_F(SnapshotWhileWriting, EndsBesideAWriterThatNeverRestsAsOfOneMoment) {
  std::atomic<int> commits = 0;
  std::atomic<bool> rests = false;
  std::jthread writer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      moment = moment % 100 + 1;
      if (!wait_for(store->commit({PutMeta{"first", row()}, PutMeta{"last", row()}}))) break;
      ++commits;
    }
    rests = true;
  });
  std::atomic<bool> too_long = false;
  std::jthread patience([&](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any ended;
    std::unique_lock lock(mutex);
    ended.wait_for(lock, stop, std::chrono::seconds(60), [] { return false; });
    if (stop.stop_requested()) return;
    too_long = true;
    writer.request_stop();  // then it can end, and the test say so
  });
  const auto facts = snapshot_sqlite(path("latchkey.db"), path("copy.db"), "1.2.3", [&](std::int64_t, std::int64_t) {
    for (const int before = commits; commits == before && !rests;) std::this_thread::yield();
  });
  patience.request_stop();
  patience.join();
  writer.request_stop();
  writer.join();
  ASSERT_TRUE(facts) << facts.error().text << facts.error().detail;
  EXPECT_FALSE(too_long) << "it did not end before the writing did";
  const auto [first, last] = copied();
  ASSERT_EQ(first.size(), kRowBytes);
  EXPECT_EQ(first, Bytes(kRowBytes, first.front())) << "one row is of two moments";
  EXPECT_EQ(first, last) << "two rows that change together are of two moments";
}

TEST_F(BackupFile, AJournalIsReadFromOutsideConfirmedEntriesToo) {
  base::MemoryLog log;
  auto journal = open_reply_journal(path("journal"), log);
  ASSERT_TRUE(journal);
  std::vector<JournalEntry> entries;
  for (std::uint8_t number = 1; number <= 3; ++number) {
    base::IdOctets octets{};
    octets.fill(number);
    entries.push_back({.intent = IntentId(octets), .grant = GrantId(octets), .generation = number, .recorded_at = base::from_unix_ms(number), .reply_sealed = Bytes(900, number)});
    ASSERT_TRUE(wait_for((*journal)->reserve(entries.back().intent)));
    ASSERT_TRUE(wait_for((*journal)->record(entries.back())));
  }
  (*journal)->confirm(entries[1].intent, base::from_unix_ms(99));
  ASSERT_EQ(wait_for((*journal)->pending())->size(), 2u) << "what this process has recorded";
  EXPECT_TRUE(wait_for((*journal)->unconfirmed())->empty()) << "nothing was found at the start";
  std::vector<JournalEntry> seen;
  std::vector<bool> confirmed;
  const auto take = [&](const DecodedRecord& record) -> Result<void> {
    seen.push_back(record.entry);
    confirmed.push_back(record.confirmed_at.has_value());
    return {};
  };
  ASSERT_TRUE(each_journal_record(path("journal"), files, take));
  EXPECT_EQ(seen, entries);
  EXPECT_THAT(confirmed, testing::ElementsAre(false, true, false));
  // A record as it travels.
  const auto again = decode_record(encode_record(entries[0], kTravellingSequence), kTravellingSequence);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->entry, entries[0]);
  EXPECT_TRUE(each_journal_record(path("no journal"), files, take));
}

TEST_F(BackupFile, AFullDiskIsNamedByWhatLiesOnIt) {
  const auto full = files.open("/dev/full", OpenFile::existing);
  ASSERT_TRUE(full);
  const auto written = (*full)->pwrite(base::as_bytes("octets"), 0);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().reason, "disk_full");
  EXPECT_THAT(written.error().text, testing::HasSubstr("/dev/full"));
  std::filesystem::create_directory(path("folder"));
  const auto opened = BackupReader::open(path("folder"), files, passphrase());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().text, testing::AllOf(testing::HasSubstr(path("folder")), testing::HasSubstr("Is a directory")));
  EXPECT_THAT(BackupReader::open(path("none"), files, passphrase()).error().text, testing::HasSubstr("No such file"));
}

}  // namespace
}  // namespace latchkey::store
