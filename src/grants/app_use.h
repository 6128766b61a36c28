// What holds an app registration to the place it stands for (its issuer or instance): tokens that came from there. They go where the
// registration says at the moment they are used, so it says nothing else, and stays, while there are any (RULES F8, K6).
#pragma once

#include <functional>
#include <string>

#include "store/store.h"

namespace latchkey::grants {

enum class AppUse { none, attempt, grant, revocation };

// Lives on the engine's executor.
class AppUses {
 public:
  explicit AppUses(store::Store& store) : store_(store) {}

  // Whether an attempt at the app has begun and is not over. Before the first question.
  using Attempts = std::function<Task<Result<bool>>(std::string app)>;
  void set_attempts(Attempts attempts) { attempts_ = std::move(attempts); }

  // The first of them that there is. An attempt becomes a grant or a revocation, and a grant a revocation: asked in that order, what
  // changes meanwhile is found once more, not missed. Errors: those of the store.
  [[nodiscard]] Task<Result<AppUse>> of(std::string app);

 private:
  [[nodiscard]] Task<Result<bool>> waits_to_be_given_back(std::string app);

  store::Store& store_;
  Attempts attempts_;
};

// What holds it, and how that comes to an end. Empty for grants, of which it depends on the deed what is to be said.
[[nodiscard]] std::string way_out_of(AppUse use, const std::string& app);

}  // namespace latchkey::grants
