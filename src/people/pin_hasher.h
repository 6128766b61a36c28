// The bounded pool in which Argon2id runs (RULES T6), with room kept for sources that have been right before.
//
// Invariants: at most `threads` hashes at once; of two or more threads one is never taken by unknown sources; with one,
// known sources go first. Both limits may change at any time; what runs is not stopped for it. At most `queue_max` wait,
// unknown ones in three quarters of the places only.
// Concurrency: thread-safe; tasks resume on their own executor. The destructor finishes what has begun and drops nothing:
// whoever awaits must have ended before.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"

namespace latchkey::people {

enum class Lane { known_source, unknown_source };

// What a slow check has found. `key` is shared by all who asked the same at the same time.
struct SlowCheck {
  enum class Verdict { right, wrong, failed } verdict = Verdict::failed;
  std::shared_ptr<const Secret> key;  // right: the private key (PINs)
  std::optional<Error> error;         // failed
  SteadyTime ready{};                 // set by the hasher: no refusal leaves before, as with pretend()
};

class PinHasher {
 public:
  struct Options {
    std::size_t threads = 2;
    std::size_t queue_max = 64;
  };
  // `options` is asked at every job, under a lock: quick, and from any thread.
  PinHasher(std::function<Options()> options, const SteadyClock& steady);
  PinHasher(Options options, const SteadyClock& steady);
  ~PinHasher();
  PinHasher(const PinHasher&) = delete;
  PinHasher& operator=(const PinHasher&) = delete;

  // Runs `work` on the pool. Calls with the same `flight` (a fingerprint of user, epoch and PIN) and lane share one run.
  // nullopt: no place.
  [[nodiscard]] Task<std::optional<SlowCheck>> check(Lane lane, std::string flight, std::function<SlowCheck()> work);

  // Takes a place in the queue as a check would, without running one: returns the time before which no refusal leaves (it
  // may lie ahead). nullopt: no place. What makes a refusal without Argon2id as slow as one with it (RULES T5): for both
  // that time is the start of their turn and half as much again as the slowest of the latest hashes, so it does not depend
  // on how long one hash happens to take. Calls with the same `flight` and lane share one place, as checks do.
  [[nodiscard]] Task<std::optional<SteadyTime>> pretend(Lane lane, std::string flight);

  // Other slow work of people (a new PIN, a password), in the lane of known sources. False: no place, nothing was done.
  [[nodiscard]] Task<bool> run(std::function<void()> work);

  // For metrics and tests.
  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] std::uint64_t hashes_begun() const;

 private:
  enum class Cost { hash, ghost };
  // One place for all calls with the same flight, lane and cost.
  [[nodiscard]] Task<std::optional<SlowCheck>> join(Lane lane, Cost cost, std::string flight, std::function<SlowCheck()> work);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::people
