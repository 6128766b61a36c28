// Who waits for what becomes of an authorisation. A hundred browsers may wait at once, each for its own: a change wakes
// those that wait for that one, and nobody else has to look.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "base/broadcast.h"
#include "base/clock.h"
#include "base/id.h"

namespace latchkey::grants {

// The engine's executor.
class AttemptChanges {
  struct Watched {
    explicit Watched(Executor executor) : wake(std::move(executor)) {}
    base::Broadcast wake;
    std::uint64_t changes = 0;  // since somebody watches
    std::size_t watches = 0;
  };
  using All = std::map<AuthorizationId, Watched>;

 public:
  explicit AttemptChanges(Executor executor);
  AttemptChanges(const AttemptChanges&) = delete;
  AttemptChanges& operator=(const AttemptChanges&) = delete;
  ~AttemptChanges();

  // From its making on, no change goes unnoticed: make it first, then look. May outlive what it is of; then only time ends
  // its waits.
  class Watch {
   public:
    Watch(AttemptChanges& changes, const AuthorizationId& id);
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch();
    // Returns when there was a change since the watch was made or this last returned, or after that span of the clock's
    // time. Throws the executor's cancellation when the waiting task is cancelled.
    [[nodiscard]] Task<void> wait_for(SteadyClock& clock, std::chrono::nanoseconds span);

   private:
    std::shared_ptr<All> all_;
    All::iterator watched_;
    std::uint64_t seen_;
  };

  void changed(const AuthorizationId& id);
  // Told of each change, and of the end of each exchange: for those few who wait for time to pass, or for somebody else's
  // attempt.
  [[nodiscard]] base::Broadcast& any() { return any_; }
  // At shutdown: ends every wait that there is.
  void wake_all();

 private:
  Executor executor_;
  std::shared_ptr<All> all_;
  base::Broadcast any_;
};

}  // namespace latchkey::grants
