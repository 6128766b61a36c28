#include "store/sqlite/statement.h"

#include <fmt/format.h>

namespace latchkey::store::sqlite {
namespace {

bool is_failed_read(int extended_code) {
  return extended_code == SQLITE_IOERR_READ || extended_code == SQLITE_IOERR_SHORT_READ || extended_code == SQLITE_IOERR_CORRUPTFS;
}

// Nothing here says that a restart is not needed after a failed write: for a failed sync it is.
std::string disk_failed(int extended_code) {
  if (is_failed_read(extended_code)) {
    return "The database cannot be read: the disk reports an error. Look at the disk of the data directory and how it is connected (the "
           "kernel's log says more). Once it can be read, the server goes on by itself: neither a restart nor a restore is needed.";
  }
  return "The disk reports an error where the database is written: nothing was changed. Look at the disk of the data directory and how it is "
         "connected (the kernel's log says more).";
}

}  // namespace

Error error_of(int extended_code, std::string_view message) {
  auto detail = fmt::format("sqlite {}: {}", extended_code, message);
  switch (extended_code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {.kind = ErrorKind::corrupt,
              .reason = "store_corrupt",
              .text = "The database is damaged. Stop the server and run `latchkey restore BACKUP --replace` on this data directory as it "
                      "lies: its journal holds tokens that are newer than the backup's.",
              .detail = std::move(detail)};
    case SQLITE_FULL:
      return {.kind = ErrorKind::unavailable,
              .reason = "store_unavailable",
              .text = "The disk is full: nothing was changed. Make room on the disk of the data directory; no restart is needed.",
              .detail = std::move(detail),
              .retry_after = std::chrono::seconds(10)};
    case SQLITE_READONLY:
      return {.kind = ErrorKind::unavailable,
              .reason = "store_unavailable",
              .text = "The database may not be written to: nothing was changed. See whether the disk of the data directory is mounted read-only, and to whom "
                      "the files in it belong; no restart is needed once that is mended.",
              .detail = std::move(detail),
              .retry_after = std::chrono::seconds(10)};
    case SQLITE_IOERR:
      return {.kind = ErrorKind::unavailable,
              .reason = "store_unavailable",
              .text = disk_failed(extended_code),
              .detail = std::move(detail),
              .retry_after = std::chrono::seconds(5)};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_INTERRUPT:
      return {.kind = ErrorKind::unavailable,
              .reason = "store_unavailable",
              .text = "The database cannot be reached at the moment: nothing was changed. The log says why.",
              .detail = std::move(detail),
              .retry_after = std::chrono::seconds(5)};
    default:  // a result code of a C library, not an enum
      return {.kind = ErrorKind::bug,
              .reason = "store_bug",
              .text = "The database refused a statement: nothing was changed. Please report this.",
              .detail = std::move(detail)};
  }
}

Statement::~Statement() {
  if (handle_ == nullptr) return;
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);  // sealed octets do not stay in an idle statement
}

bool Statement::row() {
  if (failed()) return false;
  column_ = 0;
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) code_ = sqlite3_extended_errcode(database_);
  return false;
}

std::int64_t Statement::run() {
  while (row()) {
  }
  return failed() ? 0 : sqlite3_changes64(database_);
}

std::string Statement::message() const { return failed() ? sqlite3_errmsg(database_) : ""; }

void Statement::check(int code) {
  if (code != SQLITE_OK && !failed()) code_ = code;
}

void Statement::bind_one(std::int64_t value) {
  if (!failed()) check(sqlite3_bind_int64(handle_, ++parameter_, value));
}

void Statement::bind_one(std::string_view value) {
  if (failed()) return;
  const char* data = value.data() == nullptr ? "" : value.data();
  check(sqlite3_bind_text64(handle_, ++parameter_, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::bind_one(ByteView value) {
  if (failed()) return;
  // A null pointer would bind NULL, not an empty blob.
  check(value.empty() ? sqlite3_bind_zeroblob(handle_, ++parameter_, 0)
                      : sqlite3_bind_blob64(handle_, ++parameter_, value.data(), value.size(), SQLITE_TRANSIENT));
}

void Statement::bind_one(const std::optional<WallTime>& value) {
  if (value) {
    bind_one(*value);
  } else if (!failed()) {
    check(sqlite3_bind_null(handle_, ++parameter_));
  }
}

void Statement::bind_one(const std::vector<std::string>& lines) {
  std::string joined;
  for (const auto& line : lines) joined.append(line).push_back('\n');
  bind_one(std::string_view(joined));
}

void Statement::read_one(std::string& value) {
  const int column = column_++;
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
  value.assign(data == nullptr ? "" : data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column)));
}

void Statement::read_one(Bytes& value) {
  const int column = column_++;
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(handle_, column));
  value.assign(data, data + sqlite3_column_bytes(handle_, column));
}

void Statement::read_one(std::optional<WallTime>& value) {
  const int column = column_++;
  if (sqlite3_column_type(handle_, column) == SQLITE_NULL) {
    value = std::nullopt;
  } else {
    value = base::from_unix_ms(sqlite3_column_int64(handle_, column));
  }
}

void Statement::read_one(std::vector<std::string>& lines) {
  std::string joined;
  read_one(joined);
  lines.clear();
  for (std::size_t start = 0; start < joined.size();) {
    const auto end = joined.find('\n', start);
    lines.push_back(joined.substr(start, end - start));
    if (end == std::string::npos) break;
    start = end + 1;
  }
}

}  // namespace latchkey::store::sqlite
