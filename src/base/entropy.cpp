#include "base/entropy.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/result.h"

namespace latchkey::base {

Bytes Entropy::bytes(std::size_t size_bytes) {
  Bytes out(size_bytes);
  fill(out);
  return out;
}

std::uint64_t Entropy::below(std::uint64_t bound) {
  LATCHKEY_CHECK(bound > 0);
  const std::uint64_t unbiased_max = UINT64_MAX - UINT64_MAX % bound;
  for (;;) {
    std::array<std::uint8_t, 8> octets{};
    fill(octets);
    std::uint64_t value = 0;
    std::memcpy(&value, octets.data(), sizeof value);
    if (value < unbiased_max) return value % bound;
  }
}

void SystemEntropy::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      LATCHKEY_CHECK(errno == EINTR);
      continue;
    }
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

void SeededEntropy::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t value = state_;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    value ^= value >> 31;
    const std::size_t count = std::min<std::size_t>(out.size(), sizeof value);
    std::memcpy(out.data(), &value, count);
    out = out.subspan(count);
  }
}

}  // namespace latchkey::base
