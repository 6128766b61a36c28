// Backup and restore of a folder, where what happens in between must be had at an exact moment; the rest is in tests/process.
#include "app/backup.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "app/backup_sections.h"
#include "app/leftovers.h"
#include "app/tls_folder.h"
#include "base/fakes_testing.h"
#include "grants/key_rotation.h"
#include "grants/sealing.h"
#include "store/journal_reading.h"
#include "store/reply_journal.h"
#include "store/sqlite/sqlite_store.h"
#include "vault/key_files.h"

namespace latchkey::app {
namespace {

namespace fs = std::filesystem;

class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    std::string pattern = (fs::temp_directory_path() / "latchkey-app-backup-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    data = (folder / "data").string();
    fs::create_directory(data);
    key_path = data + "/master.key";
    store = *store::open_sqlite_store({.path = data + "/latchkey.db"}, wall, log);
    journal = *store::open_reply_journal(data + "/journal", log);
    note_key(*vault::load_master_key(key_path, vault::OnMissingKey::create, entropy));
  }
  ~BackupTest() override {
    journal.reset();
    store.reset();
    fs::remove_all(folder);
  }
  template <class T>
  T run(Task<T> task) {
    return base::run_on_loop(loop, steady, std::move(task));
  }
  void note_key(const Secret& key) {
    id = vault::Vault::id_of(key);
    ASSERT_TRUE(run(store->commit({store::PutMeta{std::string(grants::kMasterKeyMeta), id}})));
  }
  // The store's key is another one, and a reply comes that is sealed under it.
  void rotate() {
    const auto former = id;
    auto next = *vault::KeyFiles(key_path, "").make_next(entropy);
    note_key(next.key);
    const auto rotation = R"({"from":")" + base::to_hex(former) + R"(","to":")" + base::to_hex(id) + R"("})";
    ASSERT_TRUE(run(store->commit({store::PutMeta{"master_key_rotation", base::to_bytes(rotation)}})));
    const vault::Vault vault(std::move(next.key), entropy);
    store::JournalEntry entry{.intent = IntentId::make(wall.now(), entropy), .grant = GrantId::make(wall.now(), entropy), .generation = 1, .recorded_at = wall.now(), .reply_sealed = {}};
    entry.reply_sealed = grants::Sealing(vault).seal_reply(entry.intent, entry.grant, 1, Secret(std::string_view("the newest reply")));
    ASSERT_TRUE(run(journal->reserve(entry.intent)));
    ASSERT_TRUE(run(journal->record(entry)));
  }
  store::JournalEntry put_reply(store::GenerationNumber generation) {
    store::JournalEntry entry{.intent = IntentId::make(wall.now(), entropy), .grant = GrantId::make(wall.now(), entropy), .generation = generation,
                              .recorded_at = wall.now(), .reply_sealed = base::to_bytes("sealed")};
    EXPECT_TRUE(run(journal->reserve(entry.intent)));
    EXPECT_TRUE(run(journal->record(entry)));
    return entry;
  }
  // The journal writes it down in its own time; what comes after it waits for that.
  void confirm(IntentId intent, WallTime at) {
    journal->confirm(intent, at);
    static_cast<void>(run(journal->pending()));
  }
  static std::vector<IntentId> intents_in(const std::string& directory) {
    std::vector<IntentId> found;
    store::SystemFiles files;
    EXPECT_TRUE(store::each_journal_record(directory, files, [&](const store::DecodedRecord& record) -> Result<void> {
      found.push_back(record.entry.intent);
      return {};
    }));
    return found;
  }
  BackupWish wish() {
    return {.file = (folder / "office.lkb").string(), .data = data, .key_path = key_path, .passphrase = Secret("a long and secret phrase"),
            .cost = {.memory_kib = 64, .passes = 1}, .progress = {}};
  }

  fs::path folder;
  std::string data;
  std::string key_path;
  boost::asio::io_context loop;
  base::SystemWallClock wall;
  base::SimulatedSteadyClock steady;
  base::SystemEntropy entropy;
  base::MemoryLog log;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::ReplyJournal> journal;
  Bytes id;
};

// Of a server beside a PostgreSQL database: nothing that lies there says which of its keys is in use.
class NodeBackupTest : public BackupTest {
 protected:
  NodeBackupTest() {
    ::chmod(data.c_str(), 0700);
    std::ofstream(data + "/node") << NodeId::make(wall.now(), entropy).text() << "\n";
    put_key(data + "/master.key.next", spare);
    put_key(key_path + ".old-00000001", oldest, -2);
    put_key(key_path + ".old-00000002", old, -1);
  }
  void put_key(const std::string& path, const Secret& key, int hours = 0) {
    ASSERT_TRUE(vault::write_master_key(path, key, entropy));
    fs::last_write_time(path, fs::file_time_type::clock::now() + std::chrono::hours(hours));
  }
  BackupWish node_wish() {
    auto asked = wish();
    asked.of_node = true;
    return asked;
  }
  // Of the keys that a restore of it puts there: which is in use, and which lie aside.
  std::pair<Bytes, std::vector<std::string>> restored() {
    RestoreWish back{.file = wish().file, .data = (folder / "elsewhere").string(), .key_path = (folder / "elsewhere/master.key").string(), .passphrase = wish().passphrase.clone(),
                     .of_node = true, .progress = {}};
    const auto done = restore_backup(back);
    EXPECT_TRUE(done) << done.error().text;
    if (!done) return {};
    const auto key = vault::load_master_key(back.key_path, vault::OnMissingKey::refuse, entropy);
    EXPECT_TRUE(key);
    std::vector<std::string> aside;
    const vault::KeyFiles files(back.key_path, back.data + "/spare.next");
    for (const auto* each : {&spare, &oldest, &old, &in_place}) {
      if (files.aside(vault::Vault::id_of(*each), entropy)) aside.push_back(base::to_hex(each->reveal().first(1)));
    }
    return {vault::Vault::id_of(*key), aside};
  }

  Secret spare{Bytes(32, 1)};
  Secret oldest{Bytes(32, 2)};
  Secret old{Bytes(32, 3)};
  Secret in_place{vault::load_master_key(key_path, vault::OnMissingKey::refuse, entropy).value()};
};

TEST_F(NodeBackupTest, K1_TheKeyInUseIsTheOneThatTheRunningServerNamesWhereverItLies) {
  auto asked = node_wish();
  asked.key_path = (folder / "credential.key").string();
  fs::rename(key_path, asked.key_path);
  asked.key_in_use = vault::Vault::id_of(spare);
  asked.ask_store = []() -> Result<Bytes> { return fail(ErrorKind::unavailable, "store_unavailable", "not asked"); };
  const auto made = make_backup(asked);
  ASSERT_TRUE(made) << made.error().text;
  const auto [in_use, aside] = restored();
  EXPECT_EQ(in_use, vault::Vault::id_of(spare));
  EXPECT_THAT(aside, testing::ElementsAre("03", base::to_hex(in_place.reveal().first(1)))) << "the newest that lies aside, and the one that the new key could not replace";
}

TEST_F(NodeBackupTest, K1_WhereNoServerRunsTheDatabaseIsAskedAndWhereThatIsAwayNothingIsGuessed) {
  auto asked = node_wish();
  auto refused = make_backup(asked);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "master_key_ambiguous");
  asked.ask_store = []() -> Result<Bytes> { return fail(ErrorKind::unavailable, "store_unavailable", "The database is away."); };
  refused = make_backup(asked);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "master_key_ambiguous");
  EXPECT_THAT(refused.error().text, testing::AllOf(testing::HasSubstr("master.key and "), testing::HasSubstr("master.key.next"), testing::HasSubstr("The database is away."), testing::HasSubstr("run this again")));
  EXPECT_FALSE(fs::exists(asked.file));
  asked.ask_store = [this]() -> Result<Bytes> { return vault::Vault::id_of(in_place); };
  const auto made = make_backup(asked);
  ASSERT_TRUE(made) << made.error().text;
  const auto [in_use, aside] = restored();
  EXPECT_EQ(in_use, vault::Vault::id_of(in_place));
  EXPECT_THAT(aside, testing::ElementsAre("01", "03"));
}

TEST_F(NodeBackupTest, K1_AKeyThatIsInUseAndLiesNowhereIsNoBackupsKey) {
  auto asked = node_wish();
  asked.key_in_use = Bytes(16, 5);
  const auto refused = make_backup(asked);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "master_key_wrong");
  fs::remove(data + "/master.key.next");
  asked.key_in_use.clear();
  EXPECT_TRUE(make_backup(asked)) << "there is only one that can be";
}

TEST_F(BackupTest, P5_ARotationThatBeginsBetweenSnapshotAndJournalLeavesNoReplyWithoutItsKey) {
  auto asked = wish();
  bool rotated = false;
  asked.progress = [&](std::string_view step, std::int64_t, std::int64_t) {
    if (step != "Writing" || rotated) return;
    rotated = true;
    rotate();
  };
  const auto made = make_backup(asked);
  ASSERT_TRUE(made) << made.error().text;
  ASSERT_TRUE(rotated);
  EXPECT_EQ(made->replies, 1U);

  RestoreWish back{.file = asked.file, .data = (folder / "elsewhere").string(), .key_path = {}, .passphrase = wish().passphrase.clone(),
                   .nothing_ran_since = true, .progress = {}};
  back.key_path = back.data + "/master.key";
  const auto restored = restore_backup(back);
  ASSERT_TRUE(restored) << restored.error().text;
  const vault::Vault vault(*vault::load_master_key(back.key_path, vault::OnMissingKey::refuse, entropy), entropy);
  EXPECT_EQ(vault.master_key_id(), id);
  store::SystemFiles files;
  int opened = 0;
  ASSERT_TRUE(store::each_journal_record(back.data + "/journal", files, [&](const store::DecodedRecord& record) -> Result<void> {
    const auto& entry = record.entry;
    EXPECT_TRUE(grants::Sealing(vault).open_reply(entry.intent, entry.grant, entry.generation, entry.reply_sealed));
    ++opened;
    return {};
  }));
  EXPECT_EQ(opened, 1);
}

// A document is whole before its record is there, and may be gone when the backup comes to it.
TEST_F(BackupTest, R28_AnAnswerConfirmedAfterTheSnapshotComesAlongWhateverTheClockSays) {
  const auto early = put_reply(1);
  confirm(early.intent, wall.now() + std::chrono::hours(1));
  auto asked = wish();
  std::vector<IntentId> expected;
  asked.progress = [&](std::string_view step, std::int64_t, std::int64_t) {
    if (step != "Writing" || !expected.empty()) return;
    const auto late = put_reply(2);
    confirm(late.intent, wall.now() - std::chrono::hours(1));  // the clock was set back
    expected = {late.intent, put_reply(3).intent};
  };
  const auto made = make_backup(asked);
  ASSERT_TRUE(made) << made.error().text;
  RestoreWish back{.file = asked.file, .data = (folder / "elsewhere").string(), .key_path = {}, .passphrase = wish().passphrase.clone(),
                   .nothing_ran_since = true, .progress = {}};
  back.key_path = back.data + "/master.key";
  const auto restored = restore_backup(back);
  ASSERT_TRUE(restored) << restored.error().text;
  EXPECT_THAT(intents_in(back.data + "/journal"), testing::UnorderedElementsAreArray(expected)) << "what the snapshot holds stays behind";
}

TEST_F(BackupTest, F10_DocumentsThatWaitComeAlongAndWhatIsDeliveredMeanwhileIsNoError) {
  fs::create_directory(data + "/spool");
  const auto put = [&](store::DeliveryState state, std::size_t size_bytes) {
    const store::Delivery one{.id = DeliveryId::make(wall.now(), entropy), .connector = "scans", .state = state, .created_at = wall.now()};
    EXPECT_TRUE(run(store->commit({store::PutDelivery{one}})));
    std::ofstream(data + "/spool/" + one.id.text()) << std::string(size_bytes, 'x');
    return one.id;
  };
  const auto waits = put(store::DeliveryState::queued, 3 * store::kBackupPieceMax + 5);
  const auto goes = put(store::DeliveryState::sending, 10);
  put(store::DeliveryState::delivered, 10);  // its file is about to be removed
  std::ofstream(data + "/spool/" + DeliveryId::make(wall.now(), entropy).text()) << "coming in";
  auto asked = wish();
  asked.progress = [&](std::string_view step, std::int64_t, std::int64_t) {
    if (step == "Writing") fs::remove(data + "/spool/" + goes.text());
  };
  const auto made = make_backup(asked);
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(made->documents, 1U);

  RestoreWish back{.file = asked.file, .data = (folder / "elsewhere").string(), .key_path = {}, .passphrase = wish().passphrase.clone(), .progress = {}};
  back.key_path = back.data + "/master.key";
  const auto restored = restore_backup(back);
  ASSERT_TRUE(restored) << restored.error().text;
  EXPECT_EQ(restored->deliveries_marked, 1);
  EXPECT_EQ(restored->deliveries_without_document, 1);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(back.data + "/spool")) names.push_back(entry.path().filename());
  EXPECT_THAT(names, testing::ElementsAre(waits.text()));
  EXPECT_EQ(fs::file_size(back.data + "/spool/" + waits.text()), 3 * store::kBackupPieceMax + 5);
  auto there = *store::open_sqlite_store({.path = back.data + "/latchkey.db"}, wall, log);
  EXPECT_EQ((*run(there->delivery(waits)))->state, store::DeliveryState::sending);
  EXPECT_EQ((*run(there->delivery(goes)))->state, store::DeliveryState::maybe_sent);
}

// What came in after the backup is opened by the database that is set aside with it, and by no other.
TEST_F(BackupTest, F10_TheSpoolThatIsThereGoesAsideWithItsDatabase) {
  const auto asked = wish();
  ASSERT_TRUE(make_backup(asked));
  fs::create_directory(data + "/spool");
  const auto later = DeliveryId::make(wall.now(), entropy);
  std::ofstream(data + "/spool/" + later.text()) << "accepted since";
  store.reset();
  journal.reset();
  RestoreWish back{.file = asked.file, .data = data, .key_path = key_path, .passphrase = wish().passphrase.clone(), .replace = true, .progress = {}};
  const auto restored = restore_backup(back);
  ASSERT_TRUE(restored) << restored.error().text;
  EXPECT_EQ(restored->documents_replaced, 1U);
  EXPECT_TRUE(fs::exists(restored->replaced + "/spool/" + later.text()));
  EXPECT_FALSE(fs::exists(data + "/spool"));
}

// Earlier versions packed whatever lay in DATA/providers.
TEST_F(BackupTest, AProviderFileWithANameThatMayNotBeIsLeftOutAndTheRestRestored) {
  const auto asked = wish();
  ASSERT_TRUE(make_backup(asked));
  store::SystemFiles files;
  const auto old = (folder / "old.lkb").string();
  auto reader = *store::BackupReader::open(asked.file, files, asked.passphrase);
  auto writer = *store::BackupWriter::create(old, files, asked.passphrase, asked.cost, reader->manifest(), entropy);
  for (const auto* name : {".own.json.swp", ".DS_Store", "own.json", "../own.json"}) {
    ASSERT_TRUE(writer->begin({.name = name, .kind = std::string(kProviderKind)}));
    ASSERT_TRUE(writer->write(base::as_bytes("{}")));
    ASSERT_TRUE(writer->end());
  }
  for (auto section = *reader->next(); section; section = *reader->next()) {
    ASSERT_TRUE(writer->begin(*section));
    for (auto piece = *reader->read(); piece; piece = *reader->read()) ASSERT_TRUE(writer->write(piece->reveal()));
    ASSERT_TRUE(writer->end());
  }
  ASSERT_TRUE(writer->finish());
  RestoreWish back{.file = old, .data = (folder / "elsewhere").string(), .key_path = {}, .passphrase = wish().passphrase.clone(), .progress = {}};
  back.key_path = back.data + "/master.key";
  const auto restored = restore_backup(back);
  ASSERT_TRUE(restored) << restored.error().text;
  EXPECT_THAT(restored->left_out, testing::ElementsAre(".own.json.swp", ".DS_Store", "../own.json"));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(back.data + "/providers")) names.push_back(entry.path().filename());
  EXPECT_THAT(names, testing::ElementsAre("own.json"));
  EXPECT_TRUE(fs::exists(back.data + "/latchkey.db"));
}

// Certificate and key are two files: the backup was made while they were being replaced.
TEST_F(BackupTest, TheCertificateAndItsKeyFitThoughTheyWereReplacedMeanwhile) {
  const TlsFolder tls(data);
  const net::Validity life{.from = wall.now(), .until = wall.now() + std::chrono::days(90)};
  const auto first = *net::make_self_signed({"localhost"}, life);
  const auto second = *net::make_self_signed({"localhost"}, life);
  TlsChoice choice{.source = console::CertificateSource::self_signed, .names = {"localhost"}, .root_names = {}};
  ASSERT_TRUE(tls.put(choice, first));
  auto between = std::ofstream(tls.key_file());
  between << second.key.reveal_text() << std::flush;
  ASSERT_FALSE(are_whole(*tls.files()));
  auto asked = wish();
  asked.progress = [&](std::string_view step, std::int64_t, std::int64_t) {
    if (step == "Writing") ASSERT_TRUE(tls.put(choice, second));
  };
  ASSERT_TRUE(make_backup(asked));
  RestoreWish back{.file = asked.file, .data = (folder / "elsewhere").string(), .key_path = {}, .passphrase = wish().passphrase.clone(), .progress = {}};
  back.key_path = back.data + "/master.key";
  const auto restored = restore_backup(back);
  ASSERT_TRUE(restored) << restored.error().text;
  const auto there = TlsFolder(back.data).files();
  ASSERT_TRUE(there);
  EXPECT_EQ(there->size(), 3U);
  EXPECT_TRUE(are_whole(*there));
  EXPECT_EQ(read_small_file(TlsFolder(back.data).certificate_file()).reveal_text(), second.certificate);
  EXPECT_EQ(TlsFolder(back.data).choice().names, choice.names);
}

TEST_F(BackupTest, ABackupWithoutACertificateLeavesTheOneThatIsThere) {
  const auto asked = wish();
  ASSERT_TRUE(make_backup(asked));
  const TlsFolder tls(data);
  const auto made = *net::make_self_signed({"localhost"}, {.from = wall.now(), .until = wall.now() + std::chrono::days(90)});
  ASSERT_TRUE(tls.put({.source = console::CertificateSource::self_signed, .names = {"localhost"}, .root_names = {}}, made));
  store.reset();
  journal.reset();
  RestoreWish back{.file = asked.file, .data = data, .key_path = key_path, .passphrase = wish().passphrase.clone(), .replace = true, .progress = {}};
  const auto restored = restore_backup(back);
  ASSERT_TRUE(restored) << restored.error().text;
  EXPECT_EQ(read_small_file(tls.certificate_file()).reveal_text(), made.certificate);
}

TEST(BackupSectionsTest, WhatARestoreRefusesIsNoWholeBackup) {
  BackupSections sections;
  EXPECT_EQ(sections.check_complete().error().reason, "backup_damaged");
  EXPECT_EQ(*sections.take({.name = "master.key", .kind = std::string(kKeyKind)}), SectionUse::key);
  EXPECT_EQ(*sections.take({.name = ".x", .kind = std::string(kProviderKind)}), SectionUse::left_out);
  EXPECT_EQ(sections.take({.name = "../latchkey.db", .kind = std::string(kSqliteKind)}).error().reason, "backup_damaged");
  EXPECT_EQ(sections.take({.name = "master.key", .kind = std::string(kKeyKind)}).error().reason, "backup_damaged");
  EXPECT_EQ(sections.take({.name = "no-id", .kind = std::string(kDocumentKind)}).error().reason, "future_backup");
  EXPECT_EQ(sections.take({.name = "letters", .kind = "mail"}).error().reason, "future_backup");
  EXPECT_EQ(sections.check_complete().error().reason, "backup_damaged");
  EXPECT_EQ(*sections.take({.name = "latchkey.db", .kind = std::string(kSqliteKind)}), SectionUse::database);
  EXPECT_TRUE(sections.check_complete());
  EXPECT_EQ(*sections.take({.name = "node", .kind = std::string(kNodeKind)}), SectionUse::node);
  EXPECT_EQ(sections.check_complete().error().reason, "backup_damaged") << "of a server that has its store and of one that has none";
}

TEST_F(BackupTest, WhatAKilledBackupLeftGoesUnlessOneIsBeingMade) {
  const auto left = [&] { return store::SystemFiles().open(data + "/.backup-0123.db", store::OpenFile::create).has_value(); };
  ASSERT_TRUE(left());
  {
    const BackupLock busy(data);
    remove_backup_leftovers(data);
    EXPECT_TRUE(fs::exists(data + "/.backup-0123.db"));
  }
  remove_backup_leftovers(data);
  EXPECT_FALSE(fs::exists(data + "/.backup-0123.db"));
  ASSERT_TRUE(left());
  ASSERT_TRUE(make_backup(wish()));
  EXPECT_FALSE(fs::exists(data + "/.backup-0123.db"));
}

}  // namespace
}  // namespace latchkey::app
