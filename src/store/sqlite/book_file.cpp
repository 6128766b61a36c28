#include "store/sqlite/book_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace latchkey::store::sqlite {
namespace {

constexpr std::int64_t kCacheBytes = 512 * 1024;
constexpr int kWaitForOthersMs = 5'000;
constexpr int kPagesToCheckpoint = 100;

Result<void> prepare_tables(Connection& db, const BookFile& book) {
  const auto application = db.number("PRAGMA application_id");
  if (!application) return std::unexpected(application.error());
  const auto schema = db.number("PRAGMA user_version");
  if (!schema) return std::unexpected(schema.error());
  const auto tables = db.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return std::unexpected(tables.error());
  if (*tables > 0 && *application != book.id) {
    return fail(ErrorKind::corrupt, "not_a_book",
                fmt::format("The {} is another program's. Name another data directory for the Cloud Service.", book.name));
  }
  if (*schema > book.schema) {
    return fail(ErrorKind::corrupt, "future_schema",
                fmt::format("The {} was written by a newer version of Latchkey. Run that one.", book.name));
  }
  if (*tables > 0) return {};
  return db.run_script(fmt::format(
      "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE;{}PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;",
      book.tables, book.id, book.schema));
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
  auto db = Connection::open(path, Access::writer, kCacheBytes, vfs);
  if (!db) return db;
  sqlite3_busy_timeout((*db)->handle(), kWaitForOthersMs);
  sqlite3_wal_autocheckpoint((*db)->handle(), kPagesToCheckpoint);
  if (auto prepared = prepare_tables(**db, book); !prepared) return undone(**db, std::move(prepared.error()));
  return db;
}

}  // namespace latchkey::store::sqlite
