#include "crypto/locked_memory.h"

#include <sodium.h>
#include <sys/mman.h>

#include <cstdio>
#include <new>

#include "base/result.h"
#include "base/secret.h"

namespace latchkey::crypto {
namespace {

constexpr std::size_t kRegionBytes = 64 * 1024;
constexpr std::size_t kLargeBytes = kRegionBytes / 2;
constexpr std::size_t kPageBytes = 4096;

std::size_t whole_pages(std::size_t size_bytes) { return (size_bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

}  // namespace

LockedBytes::LockedBytes(std::size_t size_bytes) : size_(size_bytes) {
  LATCHKEY_CHECK(sodium_init() >= 0);
  data_ = static_cast<std::uint8_t*>(sodium_malloc(size_bytes));
  LATCHKEY_CHECK(data_ != nullptr);
}

LockedBytes::~LockedBytes() { sodium_free(data_); }

LockedPages::~LockedPages() {
  for (const auto region : regions_) {
    base::wipe(region.data(), region.size());
    munmap(region.data(), region.size());
  }
}

std::uint8_t* LockedPages::map(std::size_t size_bytes) {
  void* memory = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, size_bytes, MADV_DONTDUMP);
  if (mlock2(memory, size_bytes, MLOCK_ONFAULT) != 0) unlocked_bytes_ += size_bytes;
  return static_cast<std::uint8_t*>(memory);
}

void* LockedPages::do_allocate(std::size_t size_bytes, std::size_t alignment) {
  if (size_bytes >= kLargeBytes) return map(whole_pages(size_bytes));
  std::size_t start = (used_of_last_ + alignment - 1) / alignment * alignment;
  if (regions_.empty() || start + size_bytes > kRegionBytes) {
    regions_.reserve(regions_.size() + 1);
    regions_.emplace_back(map(kRegionBytes), kRegionBytes);
    start = 0;
  }
  used_of_last_ = start + size_bytes;
  return regions_.back().data() + start;
}

void LockedPages::do_deallocate(void* memory, std::size_t size_bytes, std::size_t /*alignment*/) {
  base::wipe(memory, size_bytes);
  if (size_bytes >= kLargeBytes) munmap(memory, whole_pages(size_bytes));
}

}  // namespace latchkey::crypto
