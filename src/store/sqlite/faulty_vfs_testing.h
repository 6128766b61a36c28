// SQLite's file layer with faults: the real one beneath, asked through `fault` before every read, write and sync.
#pragma once

#include <sqlite3.h>

#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace latchkey::store::sqlite {

enum class FileCall { read, write, sync };

// Registered with SQLite as long as it lives, under `name()`.
class FaultyVfs {
 public:
  // SQLITE_OK, or the code the call answers. `suffix` tells the file: "" the database, "-wal" its log.
  using Fault = std::function<int(FileCall call, std::string_view suffix)>;

  FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;
  ~FaultyVfs();

  [[nodiscard]] const std::string& name() const { return name_; }
  void set_fault(Fault fault);
  // As on file systems without shared memory: files opened from now on cannot have a write-ahead log.
  void forbid_shared_memory() { shared_memory_ = false; }
  [[nodiscard]] bool shared_memory() const { return shared_memory_; }
  [[nodiscard]] int ask(FileCall call, std::string_view suffix);
  [[nodiscard]] int syncs() const;

 private:
  std::string name_;
  sqlite3_vfs vfs_{};
  mutable std::mutex mutex_;
  Fault fault_;
  int syncs_ = 0;
  bool shared_memory_ = true;
};

}  // namespace latchkey::store::sqlite
