// SQLite's file layer, told apart in two things: a read that the disk fails is SQLITE_IOERR_READ, and a sync that it fails is remembered.
//
// Where the disk answers EIO, SQLite's own layer says SQLITE_IOERR_CORRUPTFS, and its engine makes SQLITE_CORRUPT of that: whoever asked
// cannot tell a cable that came loose from a damaged database, and would restore a backup over a sound one. A sync can fail within any
// statement, when a large transaction no longer fits into memory; whoever must never sync again then asks here and not each of them.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace latchkey::store::sqlite {

// Registered with SQLite as long as it lives, under `name()`; outlives the files opened through it.
class IoErrorVfs {
 public:
  // `beneath`: SQLite's name of the layer that does the work; empty: its default.
  explicit IoErrorVfs(const std::string& beneath);
  IoErrorVfs(const IoErrorVfs&) = delete;
  IoErrorVfs& operator=(const IoErrorVfs&) = delete;
  ~IoErrorVfs();

  // Of a layer that SQLite does not know: that one's, so that opening fails as it should.
  [[nodiscard]] const std::string& name() const { return name_; }
  // Reads that the disk has failed so far.
  [[nodiscard]] std::uint64_t failed_reads() const { return layer_.failed_reads.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t failed_syncs() const { return layer_.failed_syncs.load(std::memory_order_relaxed); }

 private:
  struct Layer : sqlite3_vfs {
    sqlite3_vfs* beneath = nullptr;
    int file_bytes = 0;  // of the layer beneath
    std::atomic<std::uint64_t> failed_reads = 0;
    std::atomic<std::uint64_t> failed_syncs = 0;
  };
  struct OpenFile;

  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags);
  static int read(sqlite3_file* file, void* to, int size, sqlite3_int64 at);
  static int sync(sqlite3_file* file, int flags);

  std::string name_;
  Layer layer_;
};

}  // namespace latchkey::store::sqlite
