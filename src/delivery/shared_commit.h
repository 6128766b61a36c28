// Requests that become ready at the same time are committed as one batch. Every acceptance counts up its grant's version
// (delegation.h), so that of those which one device, or one connector's devices, hand in at once the store would take one at
// a time and turn the others away.
//
// Invariants: one group at a time is at the store; a member makes its part only when its group's turn has come, so no part
// rests on what the group before has changed; a part is committed wholly or not at all, and no member learns of another's
// fault. Concurrency: thread-safe; each member works on its own executor. The store outlives it.
#pragma once

#include <functional>
#include <memory>

#include "store/store.h"

namespace latchkey::delivery {

class SharedCommit {
 public:
  explicit SharedCommit(store::Store& store);

  // Makes a request's part; called once, in its turn. What the part rests on outlives the call.
  using Make = std::function<Task<Result<store::Batch>>()>;
  // Errors: those of `make`, those of the store; ambiguous/`commit_ambiguous` also when whoever commits for the group is cut
  // off meanwhile.
  [[nodiscard]] Task<Result<void>> commit(Make make);

 private:
  class State;
  class Member;

  std::shared_ptr<State> state_;
};

}  // namespace latchkey::delivery
