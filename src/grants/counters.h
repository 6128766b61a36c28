// What the engine counts, for /metrics. Atomics: written by the engine, read by anybody.
#pragma once

#include <atomic>
#include <cstdint>

namespace latchkey::grants {

struct Counters {
  std::atomic<std::int64_t> refreshed{0};
  std::atomic<std::int64_t> refused{0};
  std::atomic<std::int64_t> transient{0};
  std::atomic<std::int64_t> ambiguous{0};
  std::atomic<std::int64_t> not_sent{0};
  std::atomic<std::int64_t> misconfigured{0};
  std::atomic<std::int64_t> died{0};              // grants that came to need a person
  std::atomic<std::int64_t> replies_recovered{0}; // from the journal after a crash
  std::atomic<std::int64_t> replies_unowned{0};   // arrived for nobody
  std::atomic<std::int64_t> given_back{0};        // tokens nobody owned, revoked at the provider
  std::atomic<std::int64_t> not_given_back{0};    // the provider refused or could not be reached
  std::atomic<std::int64_t> in_flight{0};
  std::atomic<std::int64_t> handouts{0};
  std::atomic<std::int64_t> handouts_hot{0};
  std::atomic<std::int64_t> handouts_waited{0};   // that joined a refresh
};

}  // namespace latchkey::grants
