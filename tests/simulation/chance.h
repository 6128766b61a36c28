// Everything that is left to chance in a simulated world comes from here, and all of it from the world's seed.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <initializer_list>

#include "base/entropy.h"

namespace latchkey::simulation {

// splitmix64. A value; a copy draws the same numbers.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t value = state_;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
  }
  // Uniform in [0, bound); 0 for a bound of 0.
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  // Uniform, both ends included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  // As many small as large: uniform in the logarithm. 1 <= low <= high.
  std::int64_t spread(std::int64_t low, std::int64_t high) {
    const double share = unit();
    return static_cast<std::int64_t>(std::round(std::exp(std::log(static_cast<double>(low)) * (1 - share) + std::log(static_cast<double>(high)) * share)));
  }
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  bool happens(double probability) { return probability > 0 && unit() < probability; }
  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[below(choices.size())];
  }
  // A stream of its own, so that what one part draws does not move what another draws.
  Chance fork() { return Chance(next()); }

 private:
  std::uint64_t state_;
};

// About `mean`, never the same.
inline std::chrono::nanoseconds around(Chance& chance, std::chrono::nanoseconds mean) { return std::chrono::nanoseconds(chance.between(1, 2 * mean.count())); }

// What the vault and the ids draw from.
class ChanceEntropy final : public Entropy {
 public:
  explicit ChanceEntropy(Chance chance) : chance_(chance) {}
  void fill(std::span<std::uint8_t> out) override {
    for (std::size_t at = 0; at < out.size();) {
      const auto value = chance_.next();
      for (int shift = 0; shift < 64 && at < out.size(); shift += 8) out[at++] = static_cast<std::uint8_t>(value >> shift);
    }
  }

 private:
  Chance chance_;
};

}  // namespace latchkey::simulation
