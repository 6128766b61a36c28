// A user who is switched off takes what the grants hold back to the providers after a while, unless switched on again; what is open for new
// ones ends at once.
#pragma once

#include <functional>

#include "grants/attempt_locks.h"
#include "grants/giving_back.h"
#include "people/directory.h"

namespace latchkey::grants {

// Any thread.
class SwitchOff final : public people::SwitchOffListener {
 public:
  SwitchOff(store::Store& store, GivingBack& giving_back, Executor executor)
      : store_(store), giving_back_(giving_back), executor_(std::move(executor)) {}

  // How consents that are open end: called on the executor. Before anybody is switched off.
  using Ending = std::function<void(OpenAttempts which, Requester requester)>;
  void set_ending(Ending ending) { ending_ = std::move(ending); }

  [[nodiscard]] Task<Result<store::Batch>> switched_off(UserId user) override;
  [[nodiscard]] Task<Result<store::Batch>> switched_on(UserId user) override;
  void switched_off_done(UserId user, people::Actor actor) override;

 private:
  store::Store& store_;
  GivingBack& giving_back_;
  Executor executor_;
  Ending ending_;
};

}  // namespace latchkey::grants
