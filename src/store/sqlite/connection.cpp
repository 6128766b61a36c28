#include "store/sqlite/connection.h"

#include <fmt/format.h>

#include <array>

#include "store/sqlite/folding_function.h"

namespace latchkey::store::sqlite {

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, Access access, std::int64_t cache_bytes,
                                                     const std::string& vfs, std::chrono::milliseconds wait) {
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_READWRITE |
                    (access == Access::writer ? SQLITE_OPEN_CREATE : 0);
  sqlite3* handle = nullptr;
  auto files = std::make_unique<IoErrorVfs>(vfs);
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, files->name().c_str());
  if (code != SQLITE_OK) {
    auto error = error_of(code, handle == nullptr ? "no memory" : sqlite3_errmsg(handle));
    sqlite3_close_v2(handle);
    return std::unexpected(std::move(error));
  }
  std::unique_ptr<Connection> connection(new Connection(std::move(files), handle));
  sqlite3_busy_timeout(handle, static_cast<int>(wait.count()));
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  register_folding(handle);
  auto script = fmt::format(
      "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; "
      "PRAGMA cell_size_check = ON; PRAGMA cache_size = -{}; PRAGMA wal_autocheckpoint = 0; ",
      cache_bytes / 1024);
  if (access == Access::reader) script += "PRAGMA query_only = ON;";
  if (auto done = connection->run_script(script); !done) return std::unexpected(done.error());
  return connection;
}

Connection::~Connection() {
  for (const auto& [text, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

Statement Connection::prepare(std::string_view sql) {
  if (const auto known = statements_.find(sql); known != statements_.end()) return {handle_, known->second, SQLITE_OK};
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) return {handle_, nullptr, code};
  statements_.emplace(std::string(sql), statement);
  return {handle_, statement, SQLITE_OK};
}

Result<void> Connection::run_script(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(error_of(code, sqlite3_errmsg(handle_)));
  return {};
}

Result<std::int64_t> Connection::number(std::string_view sql) {
  auto statement = prepare(sql);
  std::int64_t value = 0;
  if (statement.row()) statement.read(value);
  if (statement.failed()) return statement.failure();
  return value;
}

Result<void> Connection::touch_file() {
  sqlite3_file* file = nullptr;
  if (sqlite3_file_control(handle_, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || file == nullptr || file->pMethods == nullptr) return {};
  std::array<std::uint8_t, 100> head{};
  const int code = file->pMethods->xRead(file, head.data(), static_cast<int>(head.size()), 0);
  if (code == SQLITE_OK || code == SQLITE_IOERR_SHORT_READ) return {};
  return std::unexpected(error_of(code, "the head of the database file"));
}

void Connection::leave_log_alone() { sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr); }

}  // namespace latchkey::store::sqlite
