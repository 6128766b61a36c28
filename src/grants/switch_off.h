// A user who is switched off takes what the grants hold back to the providers.
#pragma once

#include "grants/giving_back.h"
#include "people/directory.h"

namespace latchkey::grants {

// Any thread.
class SwitchOff final : public people::SwitchOffListener {
 public:
  SwitchOff(store::Store& store, GivingBack& giving_back, Executor executor)
      : store_(store), giving_back_(giving_back), executor_(std::move(executor)) {}

  [[nodiscard]] Task<Result<store::Batch>> switched_off(UserId user) override;
  void switched_off_done() override;

 private:
  store::Store& store_;
  GivingBack& giving_back_;
  Executor executor_;
};

}  // namespace latchkey::grants
