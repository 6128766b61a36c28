#include "app/backup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "app/backup_keys.h"
#include "app/backup_sections.h"
#include "app/leftovers.h"
#include "app/node_name.h"
#include "app/restore_swap.h"
#include "app/tls_folder.h"
#include "app/version.h"
#include "base/entropy.h"
#include "catalog/provider_files.h"
#include "delivery/spool_file.h"
#include "store/journal_reading.h"
#include "store/sqlite/snapshot.h"

namespace latchkey::app {
namespace {

namespace fs = std::filesystem;

using Intents = std::unordered_set<IntentId, base::IdHash>;

constexpr std::string_view kKeyChanged = "master_key_changed";

// Unlinked when it goes: what a failed backup leaves is nothing.
class Draft {
 public:
  explicit Draft(std::string path) : path_(std::move(path)) {}
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  void keep() { path_.clear(); }

 private:
  std::string path_;
};

std::unexpected<Error> unreadable(Error error, const std::string& path) {
  error.text = fmt::format("{} cannot be read. Run this as the service's user or as root.", path);
  return std::unexpected(std::move(error));
}

// Piece by piece, whatever its size.
Result<void> add_content(store::BackupWriter& writer, store::File& file, const store::BackupSection& section, const BackupWish& wish) {
  const auto size = file.size();
  if (!size) return std::unexpected(size.error());
  if (auto done = writer.begin(section); !done) return done;
  for (std::uint64_t at = 0;;) {
    const auto octets = file.pread(store::kBackupPieceMax, at);
    if (!octets) return std::unexpected(octets.error());
    if (octets->empty()) break;
    if (auto done = writer.write(*octets); !done) return done;
    at += octets->size();
    if (wish.progress) wish.progress("Writing", static_cast<std::int64_t>(at), static_cast<std::int64_t>(*size));
  }
  return writer.end();
}

Result<void> add_file(store::BackupWriter& writer, store::Files& files, const std::string& path, const store::BackupSection& section,
                      const BackupWish& wish) {
  const auto file = files.open(path, store::OpenFile::read_only);
  if (!file) return unreadable(file.error(), path);
  return add_content(writer, **file, section, wish);
}

Result<void> add_key(store::BackupWriter& writer, store::Files& files, const std::string& path, std::string name, const BackupWish& wish) {
  return add_file(writer, files, path, {.name = std::move(name), .kind = std::string(kKeyKind)}, wish);
}

// Key files as they lie there; the former one, too, while the master key is being rotated.
Result<void> add_keys(store::BackupWriter& writer, store::Files& files, const store::SnapshotFacts& facts, const BackupWish& wish, Entropy& entropy) {
  const auto keys = key_files_of(wish);
  for (const auto& [id, name] : {std::pair(facts.master_key_id, kMasterKeyName), std::pair(facts.former_master_key_id, kFormerKeyName)}) {
    if (id.empty()) continue;
    const auto found = keys.find(id, entropy);
    if (!found) return no_such_key(wish);
    if (auto done = add_key(writer, files, found->path, std::string(name), wish); !done) return done;
  }
  return {};
}

Result<void> add_keys(store::BackupWriter& writer, store::Files& files, const NodeKeys& keys, const BackupWish& wish) {
  if (auto done = add_key(writer, files, keys.in_use.path, std::string(kMasterKeyName), wish); !done) return done;
  for (std::size_t i = 0; i < keys.others.size(); ++i) {
    auto name = i == 0 ? std::string(kFormerKeyName) : fmt::format("{}{}", kOtherKeyPrefix, base::to_hex(vault::Vault::id_of(keys.others[i].key)));
    if (auto done = add_key(writer, files, keys.others[i].path, std::move(name), wish); !done) return done;
  }
  return {};
}

// Asked before the snapshot is taken: what was confirmed by then is in it. By the clock nobody could tell: it may be set meanwhile.
Result<Intents> confirmed_by_now(store::Files& files, const BackupWish& wish) {
  Intents confirmed;
  const auto note = [&](const store::DecodedRecord& record) -> Result<void> {
    if (record.confirmed_at) confirmed.insert(record.entry.intent);
    return {};
  };
  if (const auto loss = store::each_journal_record(wish.data + "/journal", files, note); !loss) return std::unexpected(loss.error());
  return confirmed;
}

// `in_store`: whose answers the store has for sure.
Result<void> add_journal(store::BackupWriter& writer, store::Files& files, const Intents& in_store, const BackupWish& wish, BackupReport& report) {
  if (auto done = writer.begin({.name = "journal", .kind = std::string(kJournalKind)}); !done) return done;
  const auto add = [&](const store::DecodedRecord& record) -> Result<void> {
    // A dump of a database that nodes share may be of any time before; but a confirmed consent it has, or its grant is lost with it.
    if (wish.of_node && record.confirmed_at && record.entry.generation == 0) return {};
    if (in_store.contains(record.entry.intent)) return {};
    report.replies += 1;
    return writer.write(store::encode_record(record.entry, store::kTravellingSequence));
  };
  auto loss = store::each_journal_record(wish.data + "/journal", files, add);
  if (!loss) return std::unexpected(loss.error());
  report.journal_unreadable = std::move(loss->unreadable);
  return writer.end();
}

Result<void> add_providers(store::BackupWriter& writer, store::Files& files, const BackupWish& wish, BackupReport& report) {
  const auto names = catalog::list_provider_files(wish.data + "/providers");
  if (!names) return std::unexpected(names.error());
  for (const auto& name : *names) {
    report.provider_files += 1;
    if (auto done = add_file(writer, files, wish.data + "/providers/" + name, {.name = name, .kind = std::string(kProviderKind)}, wish); !done) return done;
  }
  return {};
}

// Those that the snapshot knows: a document is whole before its record is there, and goes after the record says that it was delivered.
// What is gone by now was delivered or deleted meanwhile.
Result<void> add_documents(store::BackupWriter& writer, store::Files& files, const std::vector<DeliveryId>& undelivered, const BackupWish& wish,
                           BackupReport& report) {
  for (const auto& id : undelivered) {
    const auto path = delivery::spool_path(wish.data + "/spool", id);
    const auto file = files.open(path, store::OpenFile::existing);
    if (!file && file.error().reason == "no_file") continue;
    if (!file) return unreadable(file.error(), path);
    report.documents += 1;
    if (auto done = add_content(writer, **file, {.name = id.text(), .kind = std::string(kDocumentKind)}, wish); !done) return done;
  }
  return {};
}

// Its files are written one after another: read in between they do not fit, and are read once more, minutes or seconds later.
Result<void> add_tls(store::BackupWriter& writer, std::vector<TlsFile> read_first, const BackupWish& wish) {
  auto files = std::move(read_first);
  if (!are_whole(files)) {
    auto again = TlsFolder(wish.data).files();
    if (!again) return std::unexpected(again.error());
    files = std::move(*again);
  }
  for (const auto& file : files) {
    if (auto done = writer.begin({.name = file.name, .kind = std::string(kTlsKind)}); !done) return done;
    for (auto left = file.content.reveal(); !left.empty(); left = left.subspan(std::min(left.size(), store::kBackupPieceMax))) {
      if (auto done = writer.write(left.first(std::min(left.size(), store::kBackupPieceMax))); !done) return done;
    }
    if (auto done = writer.end(); !done) return done;
  }
  return {};
}

// Every piece opened again, every digest compared, every section one that a restore takes.
Result<void> read_back(const std::string& path, store::Files& files, const BackupWish& wish) {
  auto reader = store::BackupReader::open(path, files, wish.passphrase);
  if (!reader) return std::unexpected(reader.error());
  for (BackupSections sections;;) {
    const auto section = (*reader)->next();
    if (!section) return std::unexpected(section.error());
    if (!*section) return sections.check_complete();
    const auto use = sections.take(**section);
    if (!use) return std::unexpected(use.error());
    if (*use == SectionUse::left_out) return fail(ErrorKind::bug, "not_restorable", "A restore would leave a file of it out.", {.detail = (*section)->name});
    for (;;) {
      const auto piece = (*reader)->read();
      if (!piece) return std::unexpected(piece.error());
      if (!*piece) break;
    }
    if (wish.progress) wish.progress("Reading back", 1, 1);
  }
}

Result<BackupReport> write_backup(const BackupWish& wish, const std::string& draft, Entropy& entropy) {
  store::SystemFiles files;
  BackupReport report{.made_at = base::SystemWallClock().now()};
  auto tls = TlsFolder(wish.data).files();
  if (!tls) return std::unexpected(tls.error());
  const Draft snapshot(fmt::format("{}/.backup-{}.db", wish.data, base::to_hex(entropy.bytes(8))));
  const auto step = [&](std::int64_t done, std::int64_t all) {
    if (wish.progress) wish.progress("Taking a snapshot", done, all);
  };
  const auto confirmed = confirmed_by_now(files, wish);
  if (!confirmed) return std::unexpected(confirmed.error());
  const auto facts = store::snapshot_sqlite(wish.data + "/latchkey.db", snapshot.path(), std::string(version()), step);
  if (!facts) return std::unexpected(facts.error());
  if (!facts->moved_to.empty()) {
    return fail(ErrorKind::invalid, "store_moved",
                fmt::format("This installation was moved to {}; the SQLite file in {} is out of date and not worth a backup. docs/postgres.md says "
                            "what to back up now.", facts->moved_to, wish.data));
  }
  if (facts->set_aside && !wish.of_set_aside) return std::unexpected(store::set_aside_error(*facts->set_aside, wish.data));
  if (facts->set_aside) report.made_at = facts->set_aside->at;
  const JsonObject manifest{{"made_at", base::to_unix_ms(report.made_at)}, {"program", version()}, {"store", kSqliteKind},
                            {"schema", facts->schema}, {"written_by", facts->written_by}, {"master_key_id", base::to_hex(facts->master_key_id)}};
  auto writer = store::BackupWriter::create(draft, files, wish.passphrase, wish.cost, manifest, entropy);
  if (!writer) return std::unexpected(writer.error());
  if (auto done = add_keys(**writer, files, *facts, wish, entropy); !done) return std::unexpected(done.error());
  if (auto done = add_file(**writer, files, snapshot.path(), {.name = "latchkey.db", .kind = std::string(kSqliteKind)}, wish); !done) {
    return std::unexpected(done.error());
  }
  // After the snapshot: a reply whose commit the snapshot missed is in the journal.
  if (auto done = add_journal(**writer, files, *confirmed, wish, report); !done) return std::unexpected(done.error());
  const auto key_now = store::sqlite_master_key_id(wish.data + "/latchkey.db");
  if (!key_now) return std::unexpected(key_now.error());
  if (*key_now != facts->master_key_id) {
    // The newest of those replies are sealed under a key that is not in the backup.
    return fail(ErrorKind::unavailable, std::string(kKeyChanged), "The master key was changed while the backup was being made. Make it again.");
  }
  if (auto done = add_providers(**writer, files, wish, report); !done) return std::unexpected(done.error());
  if (auto done = add_tls(**writer, std::move(*tls), wish); !done) return std::unexpected(done.error());
  if (auto done = add_documents(**writer, files, facts->undelivered, wish, report); !done) return std::unexpected(done.error());
  if (auto done = (*writer)->finish(); !done) return std::unexpected(done.error());
  report.size_bytes = (*writer)->size_bytes();
  return report;
}

// Only the database knows which of them are delivered; the start finds that out.
Result<std::vector<DeliveryId>> documents_there(const std::string& spool, store::Files& files) {
  std::vector<DeliveryId> found;
  if (std::error_code ignored; !fs::exists(spool, ignored)) return found;
  const auto names = files.list(spool);
  if (!names) return std::unexpected(names.error());
  for (const auto& name : *names) {
    if (const auto id = delivery::spooled_id(name)) found.push_back(*id);
  }
  return found;
}

// After the dump of the database (docs/postgres.md): then no reply and no document that it lacks is missing here.
Result<BackupReport> write_node_backup(const BackupWish& wish, const std::string& draft, Entropy& entropy) {
  store::SystemFiles files;
  BackupReport report{.made_at = base::SystemWallClock().now()};
  if (const auto note = set_aside_file(wish.data, files)) report.made_at = note->at;
  auto tls = TlsFolder(wish.data).files();
  if (!tls) return std::unexpected(tls.error());
  const auto keys = keys_of_node(wish, entropy);
  if (!keys) return std::unexpected(keys.error());
  const auto documents = documents_there(wish.data + "/spool", files);
  if (!documents) return std::unexpected(documents.error());
  const JsonObject manifest{{"made_at", base::to_unix_ms(report.made_at)}, {"program", version()}, {"store", kNodeStore},
                            {"master_key_id", base::to_hex(vault::Vault::id_of(keys->in_use.key))}};
  auto writer = store::BackupWriter::create(draft, files, wish.passphrase, wish.cost, manifest, entropy);
  if (!writer) return std::unexpected(writer.error());
  if (auto done = add_keys(**writer, files, *keys, wish); !done) return std::unexpected(done.error());
  const auto name = fmt::format("{}/{}", wish.data, kNodeFile);
  if (auto done = add_file(**writer, files, name, {.name = std::string(kNodeFile), .kind = std::string(kNodeKind)}, wish); !done) return std::unexpected(done.error());
  if (auto done = add_journal(**writer, files, {}, wish, report); !done) return std::unexpected(done.error());
  if (auto done = add_providers(**writer, files, wish, report); !done) return std::unexpected(done.error());
  if (auto done = add_tls(**writer, std::move(*tls), wish); !done) return std::unexpected(done.error());
  if (auto done = add_documents(**writer, files, *documents, wish, report); !done) return std::unexpected(done.error());
  if (auto done = (*writer)->finish(); !done) return std::unexpected(done.error());
  report.size_bytes = (*writer)->size_bytes();
  return report;
}

Result<BackupReport> write_any(const BackupWish& wish, const std::string& draft, Entropy& entropy) {
  return wish.of_node ? write_node_backup(wish, draft, entropy) : write_backup(wish, draft, entropy);
}

}  // namespace

Result<BackupReport> make_backup(const BackupWish& wish) {
  store::SystemFiles files;
  base::SystemEntropy entropy;
  if (auto whole = wish.of_set_aside ? check_not_interrupted(wish.data) : check_whole(wish.data); !whole) return std::unexpected(whole.error());
  if (::access(wish.file.c_str(), F_OK) == 0) {
    return fail(ErrorKind::invalid, "file_exists", fmt::format("{} exists already, and nothing is written over: name another file.", wish.file));
  }
  remove_backup_leftovers(wish.data);
  const BackupLock busy(wish.data);
  Draft draft(wish.file + ".part");
  if (::access(draft.path().c_str(), F_OK) == 0) {
    const auto path = draft.path();
    draft.keep();
    return fail(ErrorKind::invalid, "file_exists", fmt::format("{} is left from a backup that was broken off, or is being written: delete it first.", path));
  }
  auto report = write_any(wish, draft.path(), entropy);
  // Only the beginning of a rotation, which lasts longer than a backup, changes the key.
  if (!report && report.error().reason == kKeyChanged && ::unlink(draft.path().c_str()) == 0) report = write_any(wish, draft.path(), entropy);
  if (!report) return report;
  if (auto sound = read_back(draft.path(), files, wish); !sound) {
    auto error = sound.error();
    error.text = fmt::format("What was written to {} does not read back as it should; it was deleted. Look at that disk, or name another.", wish.file);
    return std::unexpected(std::move(error));
  }
  auto folder = fs::path(wish.file).parent_path().string();
  if (folder.empty()) folder = ".";
  if (auto named = files.rename(draft.path(), wish.file); !named) return std::unexpected(named.error());
  draft.keep();
  if (auto synced = files.sync_directory(folder); !synced) return std::unexpected(synced.error());
  return report;
}

}  // namespace latchkey::app
