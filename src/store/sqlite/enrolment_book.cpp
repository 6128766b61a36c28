#include "store/enrolment_book.h"

#include <tuple>

#include "store/sqlite/book_file.h"

namespace latchkey::store {
namespace {

using sqlite::Connection;
using sqlite::undone;

constexpr std::string_view kTables = R"sql(
CREATE TABLE IF NOT EXISTS offices (
  id BLOB PRIMARY KEY NOT NULL, label TEXT NOT NULL, types TEXT NOT NULL, flows_per_minute INTEGER NOT NULL,
  code_digest BLOB NOT NULL, issued_at INTEGER NOT NULL, code_ends_at INTEGER NOT NULL, enrolled_at INTEGER,
  revoked_at INTEGER, keys TEXT NOT NULL, return_origins TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)sql";
constexpr sqlite::BookFile kBook{.id = 0x4c4b4342, .schema = 1, .tables = kTables, .name = "file of enrolments"};  // 'LKCB'

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
  return "SELECT " + std::string(kColumns) +
         ", coalesce(name, ''), verified_at FROM offices LEFT JOIN verified_names ON office = id";
}

class SqliteEnrolmentBook final : public EnrolmentBook {
 public:
  explicit SqliteEnrolmentBook(std::unique_ptr<Connection> db) : db_(std::move(db)) {}

  Result<std::vector<EnrolledOffice>> all() override;
  Result<void> issue(const EnrolledOffice& office) override;
  Result<EnrolledOffice> redeem(const OfficeId& id, ByteView code_digest, const std::string& keys,
                                const std::vector<std::string>& return_origins, WallTime now) override;
  Result<void> put_verified_name(const OfficeId& id, const std::string& name, WallTime now) override;
  Result<bool> take_back_verified_name(const OfficeId& id) override;
  Result<void> revoke(const OfficeId& id, WallTime now) override;

 private:
  [[nodiscard]] Result<std::optional<EnrolledOffice>> find(const OfficeId& id);
  [[nodiscard]] Result<void> run(std::string_view sql);

  std::unique_ptr<Connection> db_;
};

Result<std::optional<EnrolledOffice>> SqliteEnrolmentBook::find(const OfficeId& id) {
  auto statement = db_->prepare(select_offices() + " WHERE id = ?1");
  statement.bind(id);
  std::optional<EnrolledOffice> found;
  if (statement.row()) {
    found.emplace();
    statement.read(whole(*found));
  }
  if (statement.failed()) return statement.failure();
  return found;
}

Result<void> SqliteEnrolmentBook::run(std::string_view sql) {
  auto statement = db_->prepare(sql);
  statement.run();
  if (statement.failed()) return statement.failure();
  return {};
}

Result<std::vector<EnrolledOffice>> SqliteEnrolmentBook::all() {
  auto statement = db_->prepare(select_offices() + " ORDER BY issued_at, id");
  std::vector<EnrolledOffice> offices;
  while (statement.row()) {
    offices.emplace_back();
    statement.read(whole(offices.back()));
  }
  if (statement.failed()) return statement.failure();
  return offices;
}

Result<void> SqliteEnrolmentBook::issue(const EnrolledOffice& office) {
  auto statement = db_->prepare("INSERT INTO offices(" + std::string(kColumns) +
                                ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
  statement.bind(fields_of(office));
  statement.run();
  if (statement.code() == SQLITE_CONSTRAINT_PRIMARYKEY) return office_exists();
  if (statement.failed()) return statement.failure();
  return {};
}

Result<EnrolledOffice> SqliteEnrolmentBook::redeem(const OfficeId& id, ByteView code_digest, const std::string& keys,
                                                   const std::vector<std::string>& return_origins, WallTime now) {
  auto& db = *db_;
  // Looked at first without a lock: strangers' guesses wait for no writer, and make none wait.
  const auto seen = find(id);
  if (!seen) return std::unexpected(seen.error());
  if (const auto may = may_redeem(*seen, code_digest, keys, return_origins, now); !may) return std::unexpected(may.error());
  if (auto begun = run("BEGIN IMMEDIATE"); !begun) return std::unexpected(begun.error());
  auto found = find(id);
  if (!found) return undone(db, std::move(found.error()));
  if (auto may = may_redeem(*found, code_digest, keys, return_origins, now); !may) return undone(db, std::move(may.error()));
  auto office = std::move(**found);
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
  if (auto committed = run("COMMIT"); !committed) return undone(db, std::move(committed.error()));
  return office;
}

Result<void> SqliteEnrolmentBook::put_verified_name(const OfficeId& id, const std::string& name, WallTime now) {
  auto statement = db_->prepare(
      "INSERT INTO verified_names(office, name, verified_at) SELECT id, ?2, ?3 FROM offices WHERE id = ?1 "
      "ON CONFLICT (office) DO UPDATE SET name = excluded.name, verified_at = excluded.verified_at");
  const auto changed = statement.bind(id, name, now).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return no_such_office();
  return {};
}

Result<bool> SqliteEnrolmentBook::take_back_verified_name(const OfficeId& id) {
  auto statement = db_->prepare("DELETE FROM verified_names WHERE office = ?1");
  const auto changed = statement.bind(id).run();
  if (statement.failed()) return statement.failure();
  return changed > 0;
}

Result<void> SqliteEnrolmentBook::revoke(const OfficeId& id, WallTime now) {
  auto statement = db_->prepare("UPDATE offices SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1");
  const auto changed = statement.bind(id, now).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return no_such_office();
  return {};
}

}  // namespace

Result<std::unique_ptr<EnrolmentBook>> open_sqlite_enrolment_book(const std::string& path) {
  auto db = sqlite::open_book_file(path, kBook);
  if (!db) return std::unexpected(db.error());
  if (auto prepared = (*db)->run_script(kNamesTable); !prepared) return std::unexpected(std::move(prepared.error()));
  return std::make_unique<SqliteEnrolmentBook>(std::move(*db));
}

}  // namespace latchkey::store
