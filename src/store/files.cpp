#include "store/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace latchkey::store {
namespace {

std::unexpected<Error> failed(const char* call, int code, const std::string& path) { return std::unexpected(disk_error(call, code, path)); }

class SystemFile final : public File {
 public:
  SystemFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~SystemFile() override { ::close(descriptor_); }

  Result<void> pwrite(ByteView octets, std::uint64_t offset) override {
    while (!octets.empty()) {
      const auto written = ::pwrite(descriptor_, octets.data(), octets.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("pwrite", errno, path_);
      octets = octets.subspan(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
    return {};
  }

  Result<Bytes> pread(std::size_t size_bytes, std::uint64_t offset) override {
    Bytes octets(size_bytes);
    std::size_t filled = 0;
    while (filled < size_bytes) {
      const auto got = ::pread(descriptor_, octets.data() + filled, size_bytes - filled, static_cast<off_t>(offset + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed("pread", errno, path_);
      if (got == 0) break;
      filled += static_cast<std::size_t>(got);
    }
    octets.resize(filled);
    return octets;
  }

  Result<Bytes> pread_from_medium(std::size_t size_bytes, std::uint64_t offset) override {
    ::posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(size_bytes), POSIX_FADV_DONTNEED);
    return pread(size_bytes, offset);
  }

  Result<void> fdatasync() override {
    if (::fdatasync(descriptor_) != 0) return failed("fdatasync", errno, path_);  // never again, not even on EINTR
    return {};
  }

  Result<void> fallocate(std::uint64_t offset, std::uint64_t size_bytes) override {
    const int code = ::posix_fallocate(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(size_bytes));
    if (code != 0) return failed("posix_fallocate", code, path_);
    return {};
  }

  Result<std::uint64_t> size() override {
    struct ::stat status{};
    if (::fstat(descriptor_, &status) != 0) return failed("fstat", errno, path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  int descriptor_;
  std::string path_;
};

}  // namespace

Error disk_error(const char* call, int code, const std::string& path) {
  const auto detail = fmt::format("{}{}{}: {}", call, path.empty() ? "" : " ", path, std::generic_category().message(code));
  if (code == ENOENT) {
    return {.kind = ErrorKind::not_found, .reason = "no_file", .text = "There is no such file.", .detail = detail};
  }
  if (code == ENOSPC || code == EDQUOT || code == EFBIG) {
    return {.kind = ErrorKind::unavailable,
            .reason = "disk_full",
            .text = path.empty() ? "The disk is full. Make room on the disk of the data directory."
                                 : fmt::format("The disk that {} lies on is full. Make room there.", path),
            .detail = detail};
  }
  return {.kind = ErrorKind::unavailable,
          .reason = "disk_failed",
          .text = fmt::format("The disk does not do as it should ({}).", detail),
          .detail = detail};
}

Result<std::unique_ptr<File>> SystemFiles::open(const std::string& path, OpenFile how) {
  const int flags = how == OpenFile::read_only ? O_RDONLY | O_CLOEXEC
                                               : O_RDWR | O_CLOEXEC | O_NOFOLLOW | (how == OpenFile::create ? O_CREAT | O_EXCL : 0);
  const int descriptor = ::open(path.c_str(), flags, 0600);
  if (descriptor < 0) return failed("open", errno, path);
  return std::make_unique<SystemFile>(descriptor, path);
}

Result<void> SystemFiles::rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return failed("rename", errno, to);
  return {};
}

Result<void> SystemFiles::unlink(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return failed("unlink", errno, path);
  return {};
}

Result<std::vector<std::string>> SystemFiles::list(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code problem;
  for (std::filesystem::directory_iterator entry(directory, problem), end; !problem && entry != end; entry.increment(problem)) {
    if (entry->is_regular_file(problem)) names.push_back(entry->path().filename().string());
  }
  if (problem) return failed("readdir", problem.value(), directory);
  std::ranges::sort(names);
  return names;
}

Result<void> SystemFiles::make_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return failed("mkdir", errno, directory);
  return {};
}

Result<void> SystemFiles::sync_directory(const std::string& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return failed("open", errno, directory);
  const int code = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (code != 0) return failed("fsync", code, directory);
  return {};
}

}  // namespace latchkey::store
