// Runs worlds: one by its seed, with its story; or many on all cores, with sums.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace latchkey::simulation {

struct Wish {
  std::uint64_t from = 1;
  std::uint64_t to = UINT64_MAX;
  std::optional<double> seconds;           // then no further world begins
  std::optional<std::uint64_t> refreshes;  // the same, once so many have been made
  unsigned jobs = 1;
  std::uint64_t twice = 50;  // every so manieth seed is run again and must agree; 0: none
  bool stop_at_first = false;
  std::string canary;  // which is switched on: for the line that repeats a failure
};

// Both print, and return the exit status: 0 when everything held.
[[nodiscard]] int run_one(std::uint64_t seed, bool print_log, const std::string& canary);
[[nodiscard]] int run_many(const Wish& wish);

}  // namespace latchkey::simulation
