#include "store/sqlite/snapshot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/json.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/queries.h"
#include "store/sqlite/schema.h"

namespace latchkey::store {
namespace {

using namespace sqlite;  // this file's own lower half

constexpr std::int64_t kCacheBytes = 2 << 20;
constexpr int kPagesAStep = 1'000;
constexpr int kWaitMs = 50;
constexpr int kBusyMs = 5'000;
constexpr const char* kMasterKeyMeta = "master_key_id";  // grants/key_rotation.h

Result<void> copy(Connection& from, Connection& to, const std::function<void(std::int64_t, std::int64_t)>& progress) {
  // The snapshot is held for the whole copy: what is committed meanwhile neither comes in nor makes it begin again.
  const Snapshot moment(from);
  if (const auto begun = from.number("SELECT count(*) FROM sqlite_schema"); !begun) return std::unexpected(begun.error());
  auto* backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (backup == nullptr) return std::unexpected(error_of(sqlite3_extended_errcode(to.handle()), sqlite3_errmsg(to.handle())));
  int code = SQLITE_OK;
  while (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) {
    if (code != SQLITE_OK) sqlite3_sleep(kWaitMs);
    code = sqlite3_backup_step(backup, kPagesAStep);
    const auto all = sqlite3_backup_pagecount(backup);
    if (progress) progress(all - sqlite3_backup_remaining(backup), all);
  }
  const int finished = sqlite3_backup_finish(backup);
  if (finished != SQLITE_OK) return std::unexpected(error_of(finished, sqlite3_errmsg(to.handle())));
  return {};
}

// A copy of an earlier schema may know no deliveries.
Result<std::vector<DeliveryId>> undelivered_in(Connection& db) {
  std::vector<DeliveryId> found;
  const auto tables = db.number("SELECT count(*) FROM sqlite_schema WHERE name = 'deliveries'");
  if (!tables) return std::unexpected(tables.error());
  if (*tables == 0) return found;
  auto statement = db.prepare("SELECT id FROM deliveries WHERE state <> ?1 ORDER BY id");
  statement.bind(static_cast<std::int64_t>(DeliveryState::delivered));
  while (statement.row()) {
    DeliveryId id;
    statement.read(id);
    found.push_back(id);
  }
  if (statement.failed()) return statement.failure();
  return found;
}

}  // namespace

Result<SnapshotFacts> snapshot_sqlite(const std::string& database, const std::string& into, const std::string& program_version,
                                      const std::function<void(std::int64_t, std::int64_t)>& progress) {
  if (::access(database.c_str(), F_OK) != 0) {
    return fail(ErrorKind::not_found, "no_store", fmt::format("There is no database {}. Name the server's data directory with --data.", database));
  }
  auto from = Connection::open(database, Access::reader, kCacheBytes, "");
  if (!from) return std::unexpected(from.error());
  sqlite3_busy_timeout((*from)->handle(), kBusyMs);
  if (auto sound = inspect(**from, database, program_version); !sound) return std::unexpected(sound.error());
  // SQLite would make it readable for everybody.
  const int made = ::open(into.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0) return fail(ErrorKind::unavailable, "disk_failed", fmt::format("{} cannot be made: {}.", into, std::generic_category().message(errno)));
  ::close(made);
  auto to = Connection::open(into, Access::writer, kCacheBytes, "");
  if (!to) return std::unexpected(to.error());
  if (auto copied = copy(**from, **to, progress); !copied) return std::unexpected(copied.error());

  SnapshotFacts facts;
  if (auto sound = inspect(**to, into, program_version); !sound) return std::unexpected(sound.error());
  const auto schema = (*to)->number("PRAGMA user_version");
  if (!schema) return std::unexpected(schema.error());
  facts.schema = *schema;
  {
    auto statement = (*to)->prepare("SELECT value FROM store_info WHERE key = 'written_by'");
    if (statement.row()) statement.read(facts.written_by);
  }
  auto key = find_meta(**to, kMasterKeyMeta);
  if (!key) return std::unexpected(key.error());
  facts.master_key_id = std::move(*key);
  const auto rotation = find_meta(**to, "master_key_rotation");
  if (!rotation) return std::unexpected(rotation.error());
  if (const auto parsed = parse_json(base::as_text(*rotation)); parsed && parsed->is_object()) {
    facts.former_master_key_id = base::from_hex(base::string_or(parsed->get_object(), "from")).value_or(Bytes());
  }
  const auto moved = find_meta(**to, std::string(kMovedToMeta));
  if (!moved) return std::unexpected(moved.error());
  facts.moved_to = base::as_text(*moved);
  const auto aside = find_meta(**to, std::string(kSetAsideMeta));
  if (!aside) return std::unexpected(aside.error());
  facts.set_aside = SetAside::from_octets(*aside);
  auto undelivered = undelivered_in(**to);
  if (!undelivered) return std::unexpected(undelivered.error());
  facts.undelivered = std::move(*undelivered);
  // Out of the log and into the file, which goes into the backup alone.
  if (auto done = (*to)->run_script("PRAGMA journal_mode = DELETE"); !done) return std::unexpected(done.error());
  return facts;
}

Result<Bytes> sqlite_master_key_id(const std::string& database) {
  auto from = Connection::open(database, Access::reader, kCacheBytes, "");
  if (!from) return std::unexpected(from.error());
  sqlite3_busy_timeout((*from)->handle(), kBusyMs);
  return find_meta(**from, kMasterKeyMeta);
}

}  // namespace latchkey::store
