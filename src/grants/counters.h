// What the engine counts, for /metrics. Atomics: written by the engine, read by anybody.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace latchkey::grants {

// Where refreshes spend their time, summed over all of them; nanoseconds.
struct StepTimes {
  std::atomic<std::int64_t> claim{0};     // room in the journal, lease and intent: one durable commit
  std::atomic<std::int64_t> exchange{0};  // the POST, until the reply is whole (first code exchanges as well)
  std::atomic<std::int64_t> journal{0};   // the raw reply durable
  std::atomic<std::int64_t> merge{0};     // parsing, sealing, and one durable commit

  static void add(std::atomic<std::int64_t>& step, std::chrono::nanoseconds span) {
    step.fetch_add(span.count(), std::memory_order_relaxed);
  }
};

struct Counters {
  StepTimes steps;
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
  std::atomic<std::int64_t> dying_idle{0};        // as of the last forecast: grants about to end unused,
  std::atomic<std::int64_t> dying_of_age{0};      // and by the age of their consent
  std::atomic<std::int64_t> revocations_due{0};   // as of the last pass over the queue
  std::atomic<std::int64_t> device_codes{0};      // begun (RFC 8628); how they ended:
  std::atomic<std::int64_t> device_granted{0};
  std::atomic<std::int64_t> device_denied{0};
  std::atomic<std::int64_t> device_expired{0};
  std::atomic<std::int64_t> device_failed{0};
  std::atomic<std::int64_t> device_polls{0};      // questions sent about them
  std::atomic<std::int64_t> owner_links{0};       // made; how far they came:
  std::atomic<std::int64_t> links_opened{0};      // the owner went on to the provider
  std::atomic<std::int64_t> links_consented{0};
  std::atomic<std::int64_t> links_mailed{0};
  std::atomic<std::int64_t> in_flight{0};
  std::atomic<std::int64_t> handouts{0};
  std::atomic<std::int64_t> handouts_hot{0};
  std::atomic<std::int64_t> handouts_waited{0};   // that joined a refresh
};

}  // namespace latchkey::grants
