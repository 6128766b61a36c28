#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "app/backup.h"
#include "app/backup_sections.h"
#include "app/leftovers.h"
#include "app/lineage_file.h"
#include "app/node_name.h"
#include "app/restore_swap.h"
#include "app/restored_records.h"
#include "app/version.h"
#include "base/entropy.h"
#include "base/log.h"
#include "delivery/spool_file.h"
#include "grants/key_rotation.h"
#include "grants/nodes.h"
#include "store/data_lock.h"
#include "store/journal_reading.h"
#include "store/sqlite/set_aside.h"
#include "store/sqlite/sqlite_store.h"
#include "vault/key_files.h"

namespace latchkey::app {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> cannot(std::string_view what, const std::string& path, int code) {
  return fail(ErrorKind::unavailable, "disk_failed", fmt::format("{} {}: {}.", what, path, std::strerror(code)));
}

// Removed with all that is in it when it goes: what a failed restore leaves is nothing.
class Staging {
 public:
  explicit Staging(std::string path) : path_(std::move(path)) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Result<void> check_target(const RestoreWish& wish) {
  if (!exists(wish.data)) return {};
  const bool occupied = std::ranges::any_of(kOurs, [&](std::string_view name) { return exists(fmt::format("{}/{}", wish.data, name)); });
  if (occupied && !wish.replace) {
    return fail(ErrorKind::invalid, "data_directory_occupied",
                fmt::format("{} holds an installation already. Name an empty directory with --data, or say --replace: then what is there is "
                            "moved aside.",
                            wish.data));
  }
  return {};
}

Result<void> unpack_file(store::BackupReader& reader, store::Files& files, const std::string& path) {
  auto file = files.open(path, store::OpenFile::create);
  if (!file) return std::unexpected(file.error());
  for (std::uint64_t at = 0;;) {
    const auto piece = reader.read();
    if (!piece) return std::unexpected(piece.error());
    if (!*piece) return (*file)->fdatasync();
    if (auto written = (*file)->pwrite((*piece)->reveal(), at); !written) return written;
    at += (*piece)->size();
  }
}

Result<std::vector<store::JournalEntry>> unpack_journal(store::BackupReader& reader) {
  std::vector<store::JournalEntry> entries;
  for (;;) {
    const auto piece = reader.read();
    if (!piece) return std::unexpected(piece.error());
    if (!*piece) return entries;
    auto record = store::decode_record((*piece)->reveal(), store::kTravellingSequence);
    if (record) entries.push_back(std::move(record->entry));
  }
}

// Read to its end, so that what follows can be.
Result<void> pass_over(store::BackupReader& reader) {
  for (;;) {
    const auto piece = reader.read();
    if (!piece) return std::unexpected(piece.error());
    if (!*piece) return {};
  }
}

// Everything into the staging directory; the backup is known to be whole when it returns.
Result<std::vector<store::JournalEntry>> unpack(store::BackupReader& reader, store::Files& files, const std::string& staging, const RestoreWish& wish,
                                                RestoreReport& report) {
  std::vector<store::JournalEntry> replies;
  BackupSections sections;
  for (;;) {
    const auto section = reader.next();
    if (!section) return std::unexpected(section.error());
    if (!*section) break;
    const auto& name = (*section)->name;
    const auto use = sections.take(**section);
    if (!use) return std::unexpected(use.error());
    if (wish.progress) wish.progress(*use == SectionUse::document ? std::string("Unpacking documents") : "Unpacking " + name, 0, 0);
    Result<void> done;
    if (*use == SectionUse::left_out) {
      done = pass_over(reader);
    } else if (*use == SectionUse::journal) {
      auto entries = unpack_journal(reader);
      if (!entries) return std::unexpected(entries.error());
      replies = std::move(*entries);
    } else if (*use == SectionUse::provider) {
      done = files.make_directory(staging + "/providers");
      if (done) done = unpack_file(reader, files, staging + "/providers/" + name);
    } else if (*use == SectionUse::tls) {
      done = files.make_directory(staging + "/tls");
      if (done) done = unpack_file(reader, files, staging + "/tls/" + name);
    } else if (*use == SectionUse::document) {
      done = files.make_directory(staging + "/spool");
      if (done) done = unpack_file(reader, files, staging + "/spool/" + name);
    } else {
      done = unpack_file(reader, files, staging + "/" + name);
    }
    if (!done) return std::unexpected(done.error());
  }
  if (auto complete = sections.check_complete(); !complete) return std::unexpected(complete.error());
  report.left_out = sections.left_out();
  for (const auto* folder : {"/providers", "/tls", "/spool", ""}) {
    if (!exists(staging + folder)) continue;
    if (auto synced = files.sync_directory(staging + folder); !synced) return std::unexpected(synced.error());
  }
  return replies;
}

// What root has made in the directory, when it goes: declared before whatever writes there.
class GivenToOwner {
 public:
  GivenToOwner(std::string data, std::string path) : data_(std::move(data)), path_(std::move(path)) {}
  GivenToOwner(const GivenToOwner&) = delete;
  GivenToOwner& operator=(const GivenToOwner&) = delete;
  ~GivenToOwner() { give_to_owner_of(data_, path_); }

 private:
  std::string data_;
  std::string path_;
};

// One coroutine to its end; one at a time.
Result<void> run_to_the_end(Task<Result<void>> task) {
  // It outlives the stores: a thread of theirs may still be about to leave it when it has given its answer.
  static boost::asio::io_context loop;
  loop.restart();
  std::optional<Result<void>> outcome;
  std::exception_ptr thrown;
  boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr problem, Result<void> value) {
    thrown = problem;
    outcome.emplace(std::move(value));
  });
  loop.run();
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*outcome);
}

SpoolAtHand spool_of(const std::string& data, std::optional<NodeId> node = std::nullopt) {
  return {.node = node, .has_document = [data](DeliveryId id) { return exists(delivery::spool_path(data + "/spool", id)); }};
}

// Of a directory that was never a node's nothing is concluded.
Result<SpoolAtHand> spool_of_node(const RestoreWish& wish, const WallClock& clock, Entropy& entropy) {
  if (!exists(wish.data + "/node")) return SpoolAtHand{.has_document = [](DeliveryId) { return true; }};
  const auto node = load_node_name(wish.data, clock, entropy);
  if (!node) return std::unexpected(node.error());
  return spool_of(wish.data, *node);
}

std::size_t documents_in(const std::string& spool, store::Files& files) {
  const auto names = files.list(spool);
  return names ? static_cast<std::size_t>(std::ranges::count_if(*names, [](const auto& name) { return delivery::spooled_id(name).has_value(); })) : 0;
}

void take_marks(const RestoredRecords& records, RestoreReport& report) {
  report.grants_marked = records.marked();
  report.authorizations_ended = records.authorizations_ended();
  report.deliveries_marked = records.deliveries().in_doubt;
  report.deliveries_without_document = records.deliveries().without_document;
}

// Unless nothing is known to be newer, what a damaged journal holds may be spent: its next answer may be what is lost (RULES F10).
void use_what_is_sound(SurvivingReplies& survived, const RestoreWish& wish, RestoreReport& report) {
  report.journal_unreadable = survived.unreadable;
  if (!wish.nothing_ran_since) report.grants_doubted = survived.leave_out_doubtful(report.made_at);
  report.replies = survived.entries.size();
}

Result<std::unique_ptr<vault::Vault>> unpacked_vault(const std::string& staging, Entropy& entropy) {
  auto key = vault::load_master_key(staging + "/master.key", vault::OnMissingKey::refuse, entropy);
  if (!key) return std::unexpected(key.error());
  auto vault = std::make_unique<vault::Vault>(std::move(*key), entropy);
  if (exists(staging + "/master.key.former")) {
    const auto former = vault::load_master_key(staging + "/master.key.former", vault::OnMissingKey::refuse, entropy);
    if (!former) return std::unexpected(former.error());
    vault->hold_former(*former);
  }
  return vault;
}

// From the journal that lies there, and those which a restore that was interrupted has moved aside.
Result<SurvivingReplies> all_surviving(const RestoreWish& wish, store::Files& files, const vault::Vault& vault, RestoreReport& report, Entropy& entropy) {
  auto folders = moved_aside(wish.data, files);
  folders.push_back(wish.data);
  SurvivingReplies survived;
  report.journal_survived = false;
  for (const auto& folder : folders) {
    if (std::error_code ignored; !wish.of_folder.empty() && fs::equivalent(folder, wish.of_folder, ignored)) continue;
    report.journal_survived = report.journal_survived || exists(folder + "/journal");
    auto found = surviving_replies(folder + "/journal", files, vault, keys_beside(wish.data, wish.key_path, entropy), entropy);
    if (!found) return std::unexpected(found.error());
    survived.add(std::move(*found));
  }
  use_what_is_sound(survived, wish, report);
  return survived;
}

Task<Result<void>> record_all(store::ReplyJournal& journal, std::vector<store::JournalEntry> entries) {
  const auto recorded = co_await take_up(journal, std::move(entries));
  if (!recorded) co_return std::unexpected(recorded.error());
  co_return Result<void>{};
}

// Its store lies elsewhere, and is marked by mark_restored_database() where it was put back, too: for which a journal that came from a
// backup must not pass for one that survived.
Result<void> prepare_node(const std::string& staging, const RestoreWish& wish, std::vector<store::JournalEntry> replies, RestoreReport& report,
                          Entropy& entropy) {
  base::SystemWallClock clock;
  base::StreamLog log(2, base::LogLevel::error, clock);
  store::SystemFiles files;
  const auto vault = unpacked_vault(staging, entropy);
  if (!vault) return std::unexpected(vault.error());
  auto survived = all_surviving(wish, files, **vault, report, entropy);
  if (!survived) return std::unexpected(survived.error());
  const auto all = replies.size() + survived->entries.size();
  auto kept = replies_to_keep(std::move(replies), std::move(*survived), wish.nothing_ran_since);
  report.replies_left_out = all - kept.size();
  auto journal = store::open_restoring_journal(staging + "/journal", log);
  if (!journal) return std::unexpected(journal.error());
  return run_to_the_end(record_all(**journal, std::move(kept)));
}

Result<void> prepare(const std::string& staging, const RestoreWish& wish, std::vector<store::JournalEntry> replies, WallTime now,
                     RestoreReport& report, Entropy& entropy) {
  base::SystemWallClock clock;
  base::StreamLog log(2, base::LogLevel::error, clock);
  store::SystemFiles files;
  const auto vault = unpacked_vault(staging, entropy);
  if (!vault) return std::unexpected(vault.error());
  auto store = store::open_sqlite_store({.path = staging + "/latchkey.db", .program_version = std::string(version())}, clock, log);
  if (!store) {
    auto error = store.error();
    if (error.reason == "store_corrupt") error.text = "The database in the backup is damaged. Use another backup.";
    return std::unexpected(std::move(error));
  }
  auto journal = store::open_restoring_journal(staging + "/journal", log);
  if (!journal) return std::unexpected(journal.error());
  // It lives again, in the place of what is set aside now.
  if (auto back = run_to_the_end((*store)->commit({store::PutMeta{std::string(store::kSetAsideMeta), {}}})); !back) return back;
  RestoredRecords records(**store, **journal, **vault, entropy);
  auto survived = all_surviving(wish, files, **vault, report, entropy);
  if (!survived) return std::unexpected(survived.error());
  replies = replies_to_keep(std::move(replies), std::move(*survived), wish.nothing_ran_since);
  if (auto done = run_to_the_end(records.keep_replies(std::move(replies))); !done) return done;
  const RestoreFacts facts{.backup_at = report.made_at, .now = now, .nothing_ran_since = wish.nothing_ran_since};
  if (auto done = run_to_the_end(records.mark(facts, spool_of(staging))); !done) return done;
  take_marks(records, report);
  return {};
}

// Other nodes, or this one under another process: what they hold in memory is newer than the database.
Task<Result<void>> refuse_while_nodes_run(store::Store& store) {
  const auto nodes = co_await store.nodes();
  if (!nodes) co_return std::unexpected(nodes.error());
  const auto now = co_await store.now();
  if (!now) co_return std::unexpected(now.error());
  for (const auto& node : *nodes) {
    if (node.run.empty() || *now >= node.seen_at + grants::Nodes::kAliveFor) continue;
    co_return fail(ErrorKind::conflict, "nodes_alive",
                   fmt::format("A server on {} runs, or did half a minute ago. Stop all of them, run this on each, then start them; nothing was changed.", node.name));
  }
  co_return Result<void>{};
}

// This machine may have come after the state that was put back: its journal is waited for like the others'.
Task<Result<void>> make_known(store::Store& store, const RestoreWish& wish, const WallClock& clock, Entropy& entropy) {
  if (!exists(wish.data + "/node")) co_return Result<void>{};
  const auto name = load_node_name(wish.data, clock, entropy);
  if (!name) co_return std::unexpected(name.error());
  const auto nodes = co_await store.nodes();
  if (!nodes) co_return std::unexpected(nodes.error());
  if (std::ranges::find(*nodes, *name, &store::Node::id) != nodes->end()) co_return Result<void>{};
  co_return co_await store.commit({store::PutNode{{.id = *name, .name = grants::machine_name(), .version = std::string(version()), .run = {},
                                                   .started_at = clock.now()}}});
}

// When the database was last written to, by its own audit trail.
Task<Result<void>> find_age(store::Store& store, RestoreReport& report) {
  store::AuditQuery newest;
  newest.page.limit = 1;
  const auto trail = co_await store.audit(std::move(newest));
  if (!trail) co_return std::unexpected(trail.error());
  if (!trail->items.empty()) report.made_at = trail->items.front().at;
  co_return Result<void>{};
}

std::unexpected<Error> broken_off(Error error) {
  error.text = fmt::format("Marking the restored database was broken off ({}). No server starts on it before this has been run to its end: run it again.",
                           error.detail.empty() ? error.text : error.detail);
  error.detail.clear();
  return std::unexpected(std::move(error));
}

}  // namespace

Result<RestoreReport> mark_restored_database(const RestoreWish& wish, store::PostgresOptions database) {
  store::SystemFiles files;
  base::SystemEntropy entropy;
  base::SystemWallClock clock;
  base::StreamLog log(2, base::LogLevel::error, clock);
  RestoreReport report{.key_path = wish.key_path};
  const auto lock = store::DataLock::take(wish.data);
  if (!lock) return std::unexpected(lock.error());
  auto key = vault::load_master_key(wish.key_path, vault::OnMissingKey::refuse, entropy);
  if (!key) return std::unexpected(key.error());
  vault::Vault vault(std::move(*key), entropy);
  const auto opened = store::open_postgres_store(std::move(database), log);
  if (!opened) return std::unexpected(opened.error());
  if (opened->fresh) {
    return fail(ErrorKind::invalid, "database_empty", "The database holds nothing: put the dump back first (pg_restore --clean --if-exists), then run this.");
  }
  auto& store = *opened->store;
  const vault::KeyFiles keys(wish.key_path, wish.data + "/master.key.next");
  if (auto known = run_to_the_end(grants::settle_master_key(store, vault, keys, entropy)); !known) return std::unexpected(known.error());
  if (auto alone = run_to_the_end(refuse_while_nodes_run(store)); !alone) return std::unexpected(alone.error());
  if (auto found = run_to_the_end(find_age(store, report)); !found) return std::unexpected(found.error());
  if (std::error_code ignored; fs::is_symlink(wish.data + "/journal", ignored) && ::geteuid() == 0) {
    return fail(ErrorKind::invalid, "journal_is_a_link",
                wish.data + "/journal is a link, which root does not follow. Run this as the service's user; nothing was changed.");
  }
  auto survived = surviving_replies(wish.data + "/journal", files, vault, keys_beside(wish.data, wish.key_path, entropy), entropy);
  if (!survived) return std::unexpected(survived.error());
  use_what_is_sound(*survived, wish, report);
  const GivenToOwner owned(wish.data, wish.data + "/journal");
  auto journal = store::open_restoring_journal(wish.data + "/journal", log);
  if (!journal) return std::unexpected(journal.error());
  const auto spool = spool_of_node(wish, clock, entropy);
  if (!spool) return std::unexpected(spool.error());
  RestoredRecords records(store, **journal, vault, entropy);
  RestoreFacts facts{.backup_at = report.made_at, .now = clock.now(), .nothing_ran_since = wish.nothing_ran_since};
  if (!wish.nothing_ran_since) facts.id = base::to_hex(entropy.bytes(8));
  if (auto forgotten = forget_lineage(wish.data); !forgotten) return std::unexpected(forgotten.error());
  // From here on no node starts before it is done.
  if (auto begun = run_to_the_end(records.begin(facts)); !begun) return std::unexpected(begun.error());
  const auto mark_all = [&]() -> Result<void> {
    if (auto kept = run_to_the_end(records.keep_replies(std::move(survived->entries))); !kept) return kept;
    if (auto known = run_to_the_end(make_known(store, wish, clock, entropy)); !known) return known;
    return run_to_the_end(records.mark(facts, *spool));
  };
  if (auto marked = mark_all(); !marked) return broken_off(marked.error());
  take_marks(records, report);
  return report;
}

// What a backup has of a node is of no use to the wrong kind of installation.
Result<void> check_kind(const RestoreWish& wish, const JsonObject& manifest) {
  const bool of_node = base::string_or(manifest, "store") == kNodeStore;
  if (of_node == wish.of_node) return {};
  return fail(ErrorKind::invalid, "other_store",
              of_node ? fmt::format("{} holds what a server beside a PostgreSQL database keeps: name its configuration with --config. Nothing was changed.", wish.file)
                      : fmt::format("{} holds an installation on SQLite, and `store` names a PostgreSQL database: restore it under a configuration without "
                                    "`store`, then `latchkey migrate` moves it. Nothing was changed.",
                                    wish.file));
}

Result<RestoreReport> restore_backup(const RestoreWish& wish) {
  store::SystemFiles files;
  base::SystemEntropy entropy;
  const auto now = base::SystemWallClock().now();
  // The passphrase first: whoever mistypes it shall hear of that, not of the directory.
  auto reader = store::BackupReader::open(wish.file, files, wish.passphrase);
  if (!reader) return std::unexpected(reader.error());
  const auto& manifest = (*reader)->manifest();
  if (auto right = check_kind(wish, manifest); !right) return std::unexpected(right.error());
  if (auto free = check_target(wish); !free) return std::unexpected(free.error());
  RestoreReport report{.key_path = wish.key_path};
  if (const auto* made_at = manifest.if_contains("made_at"); made_at != nullptr && made_at->is_int64()) {
    report.made_at = base::from_unix_ms(made_at->get_int64());
  }
  const bool made = !exists(wish.data);
  if (auto directory = files.make_directory(wish.data); !directory) return cannot("The data directory cannot be made:", wish.data, errno);
  const auto attempt = [&]() -> Result<void> {
    auto lock = store::DataLock::take(wish.data);
    if (!lock) {
      auto error = lock.error();
      error.text += " Stop the server before restoring.";
      return std::unexpected(std::move(error));
    }
    remove_leftovers(wish.data);
    const Staging staging(fmt::format("{}/.restore-{}", wish.data, base::to_hex(entropy.bytes(8))));
    if (auto directory = files.make_directory(staging.path()); !directory) return directory;
    auto replies = unpack(**reader, files, staging.path(), wish, report);
    if (!replies) return std::unexpected(replies.error());
    const auto prepared = wish.of_node ? prepare_node(staging.path(), wish, std::move(*replies), report, entropy)
                                       : prepare(staging.path(), wish, std::move(*replies), now, report, entropy);
    if (!prepared) return prepared;
    give_to_owner_of(wish.data, staging.path());
    auto swapped = swap_in({.data = wish.data, .key_path = wish.key_path, .staging = staging.path()}, files, now, entropy);
    if (!swapped) return std::unexpected(swapped.error());
    report.replaced = std::move(swapped->replaced);
    if (!report.replaced.empty()) report.documents_replaced = documents_in(report.replaced + "/spool", files);
    report.key_aside = std::move(swapped->key_aside);
    report.not_marked = std::move(swapped->not_marked);
    return {};
  };
  if (auto done = attempt(); !done) {
    std::error_code ignored;
    if (made) {
      fs::remove(wish.data + "/lock", ignored);
      fs::remove(wish.data, ignored);  // only if it is empty
    }
    return std::unexpected(done.error());
  }
  return report;
}

}  // namespace latchkey::app
