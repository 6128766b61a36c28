// The few things a durable room does with a file system, passed in so that tests and the simulation can bring a disk that
// fills, fails and forgets.
//
// Errors of every method: Error::detail names call and errno; kind unavailable, reason `disk_full` (ENOSPC, EDQUOT,
// EFBIG), `disk_failed` (anything else), or not_found/`no_file` from open().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace latchkey::store {

// A resource. Different offsets may be read and written from different threads.
class File {
 public:
  virtual ~File() = default;
  // All of it, or an error (a part may then have been written).
  [[nodiscard]] virtual Result<void> pwrite(ByteView octets, std::uint64_t offset) = 0;
  // Up to `size_bytes`; fewer only at the end of the file.
  [[nodiscard]] virtual Result<Bytes> pread(std::size_t size_bytes, std::uint64_t offset) = 0;
  // The same past the cache, as far as the system allows: what the medium holds.
  [[nodiscard]] virtual Result<Bytes> pread_from_medium(std::size_t size_bytes, std::uint64_t offset) = 0;
  // Everything written before is on the medium. After an error nobody knows, and a second call may lie.
  [[nodiscard]] virtual Result<void> fdatasync() = 0;
  // Room for [offset, offset + size_bytes) exists on the disk from now on; reads as zeros where nothing was written.
  [[nodiscard]] virtual Result<void> fallocate(std::uint64_t offset, std::uint64_t size_bytes) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() = 0;
};

enum class OpenFile { existing, create, read_only };  // create: absent so far, mode 0600; read_only follows links

class Files {
 public:
  virtual ~Files() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenFile how) = 0;
  [[nodiscard]] virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual Result<void> unlink(const std::string& path) = 0;
  // Names (without the directory) of regular files, sorted.
  [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  // Mode 0700; an existing directory is fine.
  [[nodiscard]] virtual Result<void> make_directory(const std::string& directory) = 0;
  // Created, renamed and unlinked names are on the medium.
  [[nodiscard]] virtual Result<void> sync_directory(const std::string& directory) = 0;
};

class SystemFiles final : public Files {
 public:
  [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path, OpenFile how) override;
  [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Result<void> unlink(const std::string& path) override;
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& directory) override;
  [[nodiscard]] Result<void> make_directory(const std::string& directory) override;
  [[nodiscard]] Result<void> sync_directory(const std::string& directory) override;
};

// What an errno means to a caller of File and Files; `path`: what it happened to.
[[nodiscard]] Error disk_error(const char* call, int code, const std::string& path = "");

}  // namespace latchkey::store
