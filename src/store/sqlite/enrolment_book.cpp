#include "store/enrolment_book.h"

#include <tuple>

#include "base/secret.h"
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

std::unexpected<Error> code_unknown() {
  return fail(ErrorKind::refused, "code_unknown",
              "This enrolment code is not known here, or has been used. Ask the Cloud Service's operator for a new one.",
              {.field = "enrolment_code"});
}

bool fits(const std::optional<EnrolledOffice>& office, ByteView code_digest, const std::string& keys,
          const std::vector<std::string>& return_origins) {
  return office && !office->revoked_at && base::equal_in_constant_time(office->code_digest, code_digest) &&
         (!office->enrolled_at || (office->keys == keys && office->return_origins == return_origins));
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
  auto db = sqlite::open_book_file(path, kBook);
  if (!db) return std::unexpected(db.error());
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
  if (!fits(*seen, code_digest, keys, return_origins)) return code_unknown();
  if (auto begun = state_->run("BEGIN IMMEDIATE"); !begun) return std::unexpected(begun.error());
  auto found = state_->find(id);
  if (!found) return undone(db, std::move(found.error()));
  if (!fits(*found, code_digest, keys, return_origins)) return undone(db, code_unknown().error());
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
  if (changed == 0)
    return fail(ErrorKind::not_found, "no_such_office", "There is no office of that id.", {.field = "OFFICE"});
  return {};
}

Result<bool> EnrolmentBook::take_back_verified_name(const OfficeId& id) {
  auto statement = state_->db->prepare("DELETE FROM verified_names WHERE office = ?1");
  const auto changed = statement.bind(id).run();
  if (statement.failed()) return statement.failure();
  return changed > 0;
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
