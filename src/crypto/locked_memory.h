// Memory for keys: kept out of swap and core dumps, wiped when given back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <vector>

namespace latchkey::crypto {

// A few keys between guard pages (three pages each: for long-lived keys, not for records). A resource. Aborts when not
// even this much can be mapped; when it cannot be locked (RLIMIT_MEMLOCK) it still keeps out of core dumps.
class LockedBytes {
 public:
  explicit LockedBytes(std::size_t size_bytes);
  LockedBytes(const LockedBytes&) = delete;
  LockedBytes& operator=(const LockedBytes&) = delete;
  ~LockedBytes();

  [[nodiscard]] std::span<std::uint8_t> writable() { return {data_, size_}; }
  [[nodiscard]] std::span<const std::uint8_t> reveal() const { return {data_, size_}; }

 private:
  std::uint8_t* data_;
  std::size_t size_;
};

// Upstream of a pool resource: locked pages, taken from the system in steps of 64 KiB and, unless large, kept until the
// end. Pages are locked as they are touched. Where the limit on locked memory is reached the pages are mapped unlocked
// and `unlocked_bytes` says so: callers keep only ciphertext here whose key is elsewhere. Not thread-safe.
class LockedPages final : public std::pmr::memory_resource {
 public:
  LockedPages() = default;
  LockedPages(const LockedPages&) = delete;
  LockedPages& operator=(const LockedPages&) = delete;
  ~LockedPages() override;

  [[nodiscard]] std::size_t unlocked_bytes() const { return unlocked_bytes_; }

 private:
  void* do_allocate(std::size_t size_bytes, std::size_t alignment) override;
  void do_deallocate(void* memory, std::size_t size_bytes, std::size_t alignment) override;
  [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
  [[nodiscard]] std::uint8_t* map(std::size_t size_bytes);

  std::vector<std::span<std::uint8_t>> regions_;
  std::size_t used_of_last_ = 0;
  std::size_t unlocked_bytes_ = 0;
};

}  // namespace latchkey::crypto
