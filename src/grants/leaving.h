// What becomes of grants whose user is deleted: on their way back to their providers by the commit that deletes the user (RULES F7).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "grants/attempt_locks.h"
#include "grants/keeper.h"
#include "people/directory.h"

namespace latchkey::grants {

// The tokens of a deletion, taken while they can still be read, and what makes the deletion fail when they are not all or not
// the newest any more. An altered grant can be deleted, and is not given back.
struct Belongings {
  struct Held {
    store::Grant grant;
    std::vector<RefreshMaterial> refresh;
  };
  store::Batch first;        // before the deletion: conflict/`version`
  std::vector<Held> grants;  // in the user's hands
};
// Errors: those of the store; conflict/`version`: a grant went between two looks.
[[nodiscard]] Task<Result<Belongings>> belongings_of(store::Store& store, const Sealing& sealing, store::User user);
// The mutation that fails when the grant is not as it was read.
[[nodiscard]] store::Mutation if_unchanged(const store::Grant& grant);
// Every refresh token that may still be honoured, as far as it can be opened: the newest, and what was kept beside it.
[[nodiscard]] std::vector<RefreshMaterial> refresh_of(const Sealing& sealing, const store::GrantView& view);

class Leaving final : public people::LeavingListener {
 public:
  Leaving(store::Store& store, const Sealing& sealing, GivingBack& giving_back, GrantWatcher& watcher, const WallClock& wall, Executor executor)
      : store_(store), sealing_(sealing), giving_back_(giving_back), watcher_(watcher), wall_(wall), executor_(std::move(executor)) {}

  // How consents that are open end: called on the executor. Before anybody leaves.
  using Ending = std::function<void(OpenAttempts which, Requester requester)>;
  void set_ending(Ending ending) { ending_ = std::move(ending); }

  [[nodiscard]] Task<Result<people::LeavingListener::Departure>> leaving(store::User user, people::Actor actor) override;

 private:
  store::Store& store_;
  const Sealing& sealing_;
  GivingBack& giving_back_;
  GrantWatcher& watcher_;
  const WallClock& wall_;
  Executor executor_;  // the engine's
  Ending ending_;
};

}  // namespace latchkey::grants
