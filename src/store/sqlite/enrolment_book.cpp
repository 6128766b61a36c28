#include "store/enrolment_book.h"

#include <fcntl.h>
#include <unistd.h>

#include <tuple>

#include "base/secret.h"
#include "store/sqlite/connection.h"

namespace latchkey::store {
namespace {

using sqlite::Connection;

constexpr std::int64_t kBookId = 0x4c4b4342;  // 'LKCB': no office server's store
constexpr std::int64_t kBookSchema = 1;
constexpr std::int64_t kCacheBytes = 512 * 1024;
constexpr int kWaitForOthersMs = 5'000;
constexpr int kPagesToCheckpoint = 100;

constexpr const char* kTables = R"sql(
CREATE TABLE IF NOT EXISTS offices (
  id BLOB PRIMARY KEY NOT NULL, label TEXT NOT NULL, types TEXT NOT NULL, flows_per_minute INTEGER NOT NULL,
  code_digest BLOB NOT NULL, issued_at INTEGER NOT NULL, code_ends_at INTEGER NOT NULL, enrolled_at INTEGER,
  revoked_at INTEGER, keys TEXT NOT NULL, return_origins TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

// Beside the offices: books from before have none, and need no other schema for it.
constexpr const char* kNamesTable = R"sql(
CREATE TABLE IF NOT EXISTS verified_names (
  office BLOB PRIMARY KEY NOT NULL, name TEXT NOT NULL, verified_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

constexpr std::string_view kColumns =
    "id, label, types, flows_per_minute, code_digest, issued_at, code_ends_at, enrolled_at, revoked_at, keys, "
    "return_origins";

template <class Office>
auto fields_of(Office& office) {
  return std::tie(office.id, office.label, office.types, office.flows_per_minute, office.code_digest, office.issued_at,
                  office.code_ends_at, office.enrolled_at, office.revoked_at, office.keys, office.return_origins);
}

auto whole(EnrolledOffice& office) {
  return std::tuple_cat(fields_of(office), std::tie(office.verified_name, office.verified_at));
}

std::string select_offices() {
  return "SELECT " + std::string(kColumns) + ", coalesce(name, ''), verified_at FROM offices LEFT JOIN verified_names ON office = id";
}

std::unexpected<Error> code_unknown() {
  return fail(ErrorKind::refused, "code_unknown",
              "This enrolment code is not known here, or has been used. Ask the Cloud Service's operator for a new one.",
              {.field = "enrolment_code"});
}

bool fits(const std::optional<EnrolledOffice>& office, ByteView code_digest, const std::string& keys) {
  return office && !office->revoked_at && base::equal_in_constant_time(office->code_digest, code_digest) &&
         (office->keys.empty() || office->keys == keys);
}

// Nothing happened: a transaction that another process made wait too long, say.
std::unexpected<Error> undone(Connection& db, Error error) {
  if (db.in_transaction()) db.prepare("ROLLBACK").run();
  return std::unexpected(std::move(error));
}

Result<void> prepare_tables(Connection& db) {
  const auto application = db.number("PRAGMA application_id");
  if (!application) return std::unexpected(application.error());
  const auto schema = db.number("PRAGMA user_version");
  if (!schema) return std::unexpected(schema.error());
  const auto tables = db.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return std::unexpected(tables.error());
  if (*tables > 0 && *application != kBookId) {
    return fail(ErrorKind::corrupt, "not_a_book",
                "The file of enrolments is another program's. Name another data directory for the Cloud Service.");
  }
  if (*schema > kBookSchema) {
    return fail(ErrorKind::corrupt, "future_schema",
                "The file of enrolments was written by a newer version of Latchkey. Run that one.");
  }
  if (*tables > 0) return {};
  return db.run_script("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE;" + std::string(kTables) + "PRAGMA application_id = " +
                       std::to_string(kBookId) + "; PRAGMA user_version = " + std::to_string(kBookSchema) + "; COMMIT;");
}

}  // namespace

struct EnrolmentBook::State {
  std::unique_ptr<Connection> db;

  [[nodiscard]] Result<std::optional<EnrolledOffice>> find(const OfficeId& id) {
    auto statement = db->prepare(select_offices() + " WHERE id = ?1");
    statement.bind(id);
    std::optional<EnrolledOffice> found;
    if (statement.row()) {
      found.emplace();
      statement.read(whole(*found));
    }
    if (statement.failed()) return statement.failure();
    return found;
  }
  [[nodiscard]] Result<void> run(std::string_view sql) {
    auto statement = db->prepare(sql);
    statement.run();
    if (statement.failed()) return statement.failure();
    return {};
  }
};

EnrolmentBook::EnrolmentBook(std::unique_ptr<State> state) : state_(std::move(state)) {}
EnrolmentBook::~EnrolmentBook() = default;

Result<std::unique_ptr<EnrolmentBook>> EnrolmentBook::open(const std::string& path) {
  // SQLite would make it readable for everybody the umask lets in.
  if (const int made = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); made >= 0) ::close(made);
  auto db = Connection::open(path, sqlite::Access::writer, kCacheBytes, "");
  if (!db) return std::unexpected(db.error());
  sqlite3_busy_timeout((*db)->handle(), kWaitForOthersMs);
  sqlite3_wal_autocheckpoint((*db)->handle(), kPagesToCheckpoint);
  if (auto prepared = prepare_tables(**db); !prepared) return undone(**db, std::move(prepared.error()));
  if (auto prepared = (*db)->run_script(kNamesTable); !prepared) return std::unexpected(std::move(prepared.error()));
  auto state = std::make_unique<State>();
  state->db = std::move(*db);
  return std::unique_ptr<EnrolmentBook>(new EnrolmentBook(std::move(state)));
}

Result<std::vector<EnrolledOffice>> EnrolmentBook::all() {
  auto statement = state_->db->prepare(select_offices() + " ORDER BY issued_at, id");
  std::vector<EnrolledOffice> offices;
  while (statement.row()) {
    offices.emplace_back();
    statement.read(whole(offices.back()));
  }
  if (statement.failed()) return statement.failure();
  return offices;
}

Result<void> EnrolmentBook::issue(const EnrolledOffice& office) {
  auto statement = state_->db->prepare("INSERT INTO offices(" + std::string(kColumns) +
                                       ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
  statement.bind(fields_of(office));
  statement.run();
  if (statement.code() == SQLITE_CONSTRAINT_PRIMARYKEY)
    return fail(ErrorKind::conflict, "exists", "There is an office of that id already.");
  if (statement.failed()) return statement.failure();
  return {};
}

Result<EnrolledOffice> EnrolmentBook::redeem(const OfficeId& id, ByteView code_digest, const std::string& keys,
                                             const std::vector<std::string>& return_origins, WallTime now) {
  auto& db = *state_->db;
  // Looked at first without a lock: strangers' guesses wait for no writer, and make none wait.
  const auto seen = state_->find(id);
  if (!seen) return std::unexpected(seen.error());
  if (!fits(*seen, code_digest, keys)) return code_unknown();
  if (auto begun = state_->run("BEGIN IMMEDIATE"); !begun) return std::unexpected(begun.error());
  auto found = state_->find(id);
  if (!found) return undone(db, std::move(found.error()));
  if (!fits(*found, code_digest, keys)) return undone(db, code_unknown().error());
  auto office = std::move(**found);
  if (now >= office.code_ends_at) {
    return undone(db, Error{.kind = ErrorKind::refused,
                            .reason = "code_expired",
                            .text = "This enrolment code has expired. Ask the Cloud Service's operator for a new one.",
                            .field = "enrolment_code"});
  }
  office.keys = keys;
  office.return_origins = return_origins;
  if (!office.enrolled_at) office.enrolled_at = now;
  {
    auto statement = db.prepare("UPDATE offices SET keys = ?2, return_origins = ?3, enrolled_at = ?4 WHERE id = ?1");
    statement.bind(office.id, office.keys, office.return_origins, office.enrolled_at).run();
    if (statement.failed()) {
      auto error = statement.failure().error();
      return undone(db, std::move(error));
    }
  }
  if (auto committed = state_->run("COMMIT"); !committed) return undone(db, std::move(committed.error()));
  return office;
}

Result<void> EnrolmentBook::put_verified_name(const OfficeId& id, const std::string& name, WallTime now) {
  auto statement = state_->db->prepare(
      "INSERT INTO verified_names(office, name, verified_at) SELECT id, ?2, ?3 FROM offices WHERE id = ?1 "
      "ON CONFLICT (office) DO UPDATE SET name = excluded.name, verified_at = excluded.verified_at");
  const auto changed = statement.bind(id, name, now).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return fail(ErrorKind::not_found, "no_such_office", "There is no office of that id.", {.field = "OFFICE"});
  return {};
}

Result<void> EnrolmentBook::revoke(const OfficeId& id, WallTime now) {
  auto statement = state_->db->prepare("UPDATE offices SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1");
  const auto changed = statement.bind(id, now).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0)
    return fail(ErrorKind::not_found, "no_such_office", "There is no office of that id.", {.field = "OFFICE"});
  return {};
}

}  // namespace latchkey::store
