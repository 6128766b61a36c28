#include "store/sqlite/book_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace latchkey::store::sqlite {
namespace {

constexpr std::int64_t kCacheBytes = 512 * 1024;
constexpr std::chrono::milliseconds kWaitForOthers{5'000};
constexpr int kPagesToCheckpoint = 100;

// Whether the tables are there. Errors: corrupt/`not_a_book`, `future_schema`.
Result<bool> has_tables(Connection& db, const BookFile& book) {
  // First, since who makes them says in the same transaction whose they are.
  const auto tables = db.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return std::unexpected(tables.error());
  const auto application = db.number("PRAGMA application_id");
  if (!application) return std::unexpected(application.error());
  const auto schema = db.number("PRAGMA user_version");
  if (!schema) return std::unexpected(schema.error());
  if (*tables > 0 && *application != book.id) {
    return fail(ErrorKind::corrupt, "not_a_book",
                fmt::format("The {} is another program's. Name another data directory for the Cloud Service.", book.name));
  }
  if (*schema > book.schema) {
    return fail(ErrorKind::corrupt, "future_schema",
                fmt::format("The {} was written by a newer version of Latchkey. Run that one.", book.name));
  }
  return *tables > 0;
}

// SQLite does not wait for others here as it does elsewhere, and a file just made may be another process's to change.
Result<void> keep_log_ahead(Connection& db) {
  const auto end = std::chrono::steady_clock::now() + kWaitForOthers;
  for (;;) {
    auto done = db.run_script("PRAGMA journal_mode = WAL;");
    const bool busy = !done && (sqlite3_errcode(db.handle()) & 0xff) == SQLITE_BUSY;
    if (!busy || std::chrono::steady_clock::now() > end) return done;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// Of several processes that find no book at the same moment one makes it.
Result<void> prepare(Connection& db, const BookFile& book) {
  const auto before = has_tables(db, book);  // and is no other program's, which is left as it is
  if (!before) return std::unexpected(before.error());
  if (auto done = keep_log_ahead(db); !done) return done;
  if (*before) return {};
  if (auto begun = db.run_script("BEGIN IMMEDIATE;"); !begun) return begun;
  const auto made_meanwhile = has_tables(db, book);
  if (!made_meanwhile) return std::unexpected(made_meanwhile.error());
  const auto making = fmt::format("{}PRAGMA application_id = {}; PRAGMA user_version = {};", book.tables, book.id, book.schema);
  return db.run_script((*made_meanwhile ? "" : making) + "COMMIT;");
}

}  // namespace

std::unexpected<Error> undone(Connection& db, Error error) {
  if (db.in_transaction()) db.prepare("ROLLBACK").run();
  return std::unexpected(std::move(error));
}

Result<std::unique_ptr<Connection>> open_book_file(const std::string& path, const BookFile& book,
                                                   const std::string& vfs) {
  // SQLite would make it readable for everybody the umask lets in.
  if (const int made = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); made >= 0) ::close(made);
  auto db = Connection::open(path, Access::writer, kCacheBytes, vfs, kWaitForOthers);
  if (!db) return db;
  sqlite3_wal_autocheckpoint((*db)->handle(), kPagesToCheckpoint);
  if (auto prepared = prepare(**db, book); !prepared) return undone(**db, std::move(prepared.error()));
  return db;
}

}  // namespace latchkey::store::sqlite
