#include "base/secret.h"

#include <cstring>

namespace latchkey::base {

void wipe(void* memory, std::size_t size_bytes) noexcept {
  if (size_bytes != 0) explicit_bzero(memory, size_bytes);
}

void Secret::clear() noexcept {
  wipe(bytes_.data(), bytes_.size());
  bytes_.clear();
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    clear();
    bytes_ = std::exchange(other.bytes_, {});
  }
  return *this;
}

bool equal_in_constant_time(ByteView left, ByteView right) noexcept {
  if (left.size() != right.size()) return false;
  volatile std::uint8_t difference = 0;
  for (std::size_t i = 0; i < left.size(); ++i) difference = difference | static_cast<std::uint8_t>(left[i] ^ right[i]);
  return difference == 0;
}

bool Secret::equals(const Secret& other) const noexcept { return equal_in_constant_time(bytes_, other.bytes_); }

}  // namespace latchkey::base
