// Where random octets come from.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace latchkey::base {

// A resource shared by all threads: `fill` may be called from any of them.
class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void fill(std::span<std::uint8_t> out) = 0;

  [[nodiscard]] Bytes bytes(std::size_t size_bytes);
  // Uniform in [0, bound); bound > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
};

// The kernel's generator (getrandom). Aborts if the kernel refuses, which it does not once booted.
class SystemEntropy final : public Entropy {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

// Deterministic, for tests and simulation only (splitmix64). Not thread-safe.
class SeededEntropy final : public Entropy {
 public:
  explicit SeededEntropy(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> out) override;

 private:
  std::uint64_t state_;
};

}  // namespace latchkey::base

namespace latchkey {
using base::Entropy;
}
