// A secret: wiped when it goes, never printable, compared in constant time.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"

namespace latchkey::base {

// Overwrites memory in a way the compiler may not remove.
void wipe(void* memory, std::size_t size_bytes) noexcept;

// A value that moves but copies only by `clone()`. There is no operator<<, no formatter and no conversion to string:
// whoever needs the octets says `reveal()` and answers for them.
class Secret {
 public:
  Secret() = default;
  explicit Secret(Bytes bytes) : bytes_(std::move(bytes)) {}
  explicit Secret(std::string_view text) : bytes_(to_bytes(text)) {}
  explicit Secret(ByteView bytes) : bytes_(bytes.begin(), bytes.end()) {}
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  Secret(Secret&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { clear(); }

  [[nodiscard]] static Secret of_size(std::size_t size_bytes) { return Secret(Bytes(size_bytes)); }
  [[nodiscard]] Secret clone() const { return Secret(bytes_); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] ByteView reveal() const { return bytes_; }
  [[nodiscard]] std::string_view reveal_text() const { return as_text(bytes_); }
  [[nodiscard]] std::span<std::uint8_t> writable() { return bytes_; }
  void clear() noexcept;

  // Constant time in the content; lengths may show.
  [[nodiscard]] bool equals(const Secret& other) const noexcept;

 private:
  Bytes bytes_;
};

// Constant time for equal lengths.
[[nodiscard]] bool equal_in_constant_time(ByteView left, ByteView right) noexcept;

}  // namespace latchkey::base

namespace latchkey {
using base::Secret;
}
