// What is counted of deliveries since the start of the process, for the metrics. Any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace latchkey::delivery {

struct Counters {
  std::atomic<std::int64_t> accepted = 0;
  std::atomic<std::int64_t> accepted_bytes = 0;
  std::atomic<std::int64_t> refused = 0;
  std::atomic<std::int64_t> delivered = 0;
  std::atomic<std::int64_t> delivered_bytes = 0;
  std::atomic<std::int64_t> retried = 0;
  std::atomic<std::int64_t> parked = 0;
  std::atomic<std::int64_t> failed = 0;
  std::atomic<std::int64_t> maybe_sent = 0;  // may have arrived, and nobody can say: a duplicate if it is sent again
};

}  // namespace latchkey::delivery
