// One SQLite connection and its prepared statements. A resource, used by one thread at a time.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "store/sqlite/io_error_vfs.h"
#include "store/sqlite/statement.h"

namespace latchkey::store::sqlite {

enum class Access { writer, reader };

class Connection {
 public:
  // Opens an existing file (or makes an empty one, for a writer). Sets what concerns the connection alone; touches no
  // octet of the file. `wait`: for other processes, wherever they are in the way, from the first look at the file on; a file
  // that is this process's alone waits for nobody. Errors: as error_of.
  [[nodiscard]] static Result<std::unique_ptr<Connection>> open(const std::string& path, Access access,
                                                                std::int64_t cache_bytes, const std::string& vfs,
                                                                std::chrono::milliseconds wait = {});
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  // Closing the last connection moves the write-ahead log into the file, unless leave_log_alone() was called.
  ~Connection();

  // `sql` is one statement, without values in its text. Prepared once per connection and kept.
  [[nodiscard]] Statement prepare(std::string_view sql);
  // Runs a text of several statements without values (schema, pragmas).
  [[nodiscard]] Result<void> run_script(const std::string& sql);
  // One integer, from a pragma for instance.
  [[nodiscard]] Result<std::int64_t> number(std::string_view sql);

  // Reads from the file itself, past what SQLite keeps in memory of it: a disk that has gone is noticed although everything asked for
  // lately is still there. (What the system keeps in memory of the file is not passed by.)
  [[nodiscard]] Result<void> touch_file();
  // Reads that the disk has failed so far; and syncs, whichever statement they were for.
  [[nodiscard]] std::uint64_t failed_reads() const { return files_->failed_reads(); }
  [[nodiscard]] std::uint64_t failed_syncs() const { return files_->failed_syncs(); }

  void leave_log_alone();
  [[nodiscard]] bool in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }
  [[nodiscard]] sqlite3* handle() const { return handle_; }

 private:
  Connection(std::unique_ptr<IoErrorVfs> files, sqlite3* handle) : files_(std::move(files)), handle_(handle) {}

  struct TextHash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  std::unique_ptr<IoErrorVfs> files_;
  sqlite3* handle_;
  std::unordered_map<std::string, sqlite3_stmt*, TextHash, std::equal_to<>> statements_;
};

// A read snapshot over several statements; ends with the object.
class Snapshot {
 public:
  explicit Snapshot(Connection& connection) : connection_(connection) {
    connection_.prepare("BEGIN").run();
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() {
    if (connection_.in_transaction()) connection_.prepare("END").run();
  }

 private:
  Connection& connection_;
};

}  // namespace latchkey::store::sqlite
