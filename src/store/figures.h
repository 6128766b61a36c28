// What a store counts of itself, for /metrics. Atomics: written by the store, read by anybody.
#pragma once

#include <atomic>
#include <cstdint>

namespace latchkey::store {

struct StoreFigures {
  std::atomic<std::int64_t> commits{0};             // transactions, each with one sync
  std::atomic<std::int64_t> commit_nanoseconds{0};  // from the first statement to the sync, summed
  std::atomic<std::int64_t> batches{0};             // that shared them
  std::atomic<std::int64_t> waiting{0};             // batches in the queue now
};

}  // namespace latchkey::store
