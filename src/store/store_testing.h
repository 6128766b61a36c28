// What the tests of this room (and of rooms above that need a real store) share.
#pragma once

#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/fakes_testing.h"
#include "base/result.h"
#include "base/task.h"
#include "store/files.h"

namespace latchkey::store {

// A directory of its own, removed with what is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() { LATCHKEY_CHECK(::mkdtemp(path_.data()) != nullptr); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "latchkey-store-XXXXXX").string();
};

// A thread's own loop, until the program ends: whoever woke it may still be busy with its insides when the task, and with it the thread,
// has ended.
enum class LoopFor { one, all };
template <LoopFor>
boost::asio::io_context& loop_of_this_thread() {
  static std::mutex mutex;
  static std::list<boost::asio::io_context> loops;
  thread_local auto& own = [] -> boost::asio::io_context& {
    const std::lock_guard lock(mutex);
    return loops.emplace_back(1);
  }();
  return own;
}

// Runs one task to its end.
template <class T>
T wait_for(Task<T> task) {
  auto& loop = loop_of_this_thread<LoopFor::one>();
  loop.restart();
  std::optional<T> result;
  boost::asio::co_spawn(loop, std::move(task), [&result](const std::exception_ptr& problem, T value) {
    if (problem) std::rethrow_exception(problem);
    result.emplace(std::move(value));
  });
  loop.run();
  return std::move(*result);
}

// Runs all of them at once on one thread, to the end of the last.
inline void wait_for_all(std::vector<Task<void>> tasks) {
  auto& loop = loop_of_this_thread<LoopFor::all>();
  loop.restart();
  for (auto& task : tasks) {
    boost::asio::co_spawn(loop, std::move(task), [](const std::exception_ptr& problem) {
      if (problem) std::rethrow_exception(problem);
    });
  }
  loop.run();
}

// A disk that answers what a test wants: `fault(call)` is asked before every call that changes something ("pwrite",
// "fdatasync", "fallocate", "open", "rename", "fsync"); an errno other than 0 is what the call fails with.
class FaultyFiles final : public Files {
 public:
  using Fault = std::function<int(std::string_view call)>;
  explicit FaultyFiles(Files& real) : real_(real) {}
  void set_fault(Fault fault) {
    const std::lock_guard lock(mutex_);
    fault_ = std::move(fault);
  }
  [[nodiscard]] int calls(const std::string& call) const {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(call);
    return found == calls_.end() ? 0 : found->second;
  }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenFile how) override;
  Result<void> rename(const std::string& from, const std::string& to) override {
    if (auto bad = ask("rename"); !bad) return bad;
    return real_.rename(from, to);
  }
  Result<void> unlink(const std::string& path) override { return real_.unlink(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return real_.list(directory); }
  Result<void> make_directory(const std::string& directory) override { return real_.make_directory(directory); }
  Result<void> sync_directory(const std::string& directory) override {
    if (auto bad = ask("fsync"); !bad) return bad;
    return real_.sync_directory(directory);
  }

 private:
  class Faulty;
  Result<void> ask(const char* call) {
    const std::lock_guard lock(mutex_);
    ++calls_[call];
    const int code = fault_ ? fault_(call) : 0;
    if (code != 0) return std::unexpected(disk_error(call, code));
    return {};
  }

  Files& real_;
  mutable std::mutex mutex_;
  Fault fault_;
  std::map<std::string, int> calls_;
};

class FaultyFiles::Faulty final : public File {
 public:
  Faulty(std::unique_ptr<File> real, FaultyFiles& owner) : real_(std::move(real)), owner_(owner) {}
  Result<void> pwrite(ByteView octets, std::uint64_t offset) override {
    if (auto bad = owner_.ask("pwrite"); !bad) return bad;
    return real_->pwrite(octets, offset);
  }
  Result<Bytes> pread(std::size_t size_bytes, std::uint64_t offset) override { return real_->pread(size_bytes, offset); }
  Result<Bytes> pread_from_medium(std::size_t size_bytes, std::uint64_t offset) override {
    return real_->pread_from_medium(size_bytes, offset);
  }
  Result<void> fdatasync() override {
    if (auto bad = owner_.ask("fdatasync"); !bad) return bad;
    return real_->fdatasync();
  }
  Result<void> fallocate(std::uint64_t offset, std::uint64_t size_bytes) override {
    if (auto bad = owner_.ask("fallocate"); !bad) return bad;
    return real_->fallocate(offset, size_bytes);
  }
  Result<std::uint64_t> size() override { return real_->size(); }

 private:
  std::unique_ptr<File> real_;
  FaultyFiles& owner_;
};

inline Result<std::unique_ptr<File>> FaultyFiles::open(const std::string& path, OpenFile how) {
  if (auto bad = ask("open"); !bad) return std::unexpected(bad.error());
  auto file = real_.open(path, how);
  if (!file) return file;
  return std::make_unique<Faulty>(*std::move(file), *this);
}

}  // namespace latchkey::store
