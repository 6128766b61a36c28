// /users/{id}/pin and /users/{id}/password.
#pragma once

#include <optional>

#include "console/router.h"
#include "people/directory.h"
#include "people/sessions.h"

namespace latchkey::console {

class UserSecretsApi final : public ApiSection {
 public:
  // A PIN reset concerns grants too, so it runs on the engine.
  UserSecretsApi(people::Directory& directory, people::Sessions& sessions, Executor engine)
      : directory_(directory), sessions_(sessions), engine_(std::move(engine)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> set_pin(Call call);
  [[nodiscard]] Task<Answer> set_password(Call call);
  [[nodiscard]] Task<Answer> change_pin(Call call, UserId id, Secret current, Secret fresh);
  [[nodiscard]] Task<Answer> reset_pin(Call call, UserId id, Secret own_password, Secret fresh);
  // The session the change is made in, if it is the caller's own secret that changes.
  [[nodiscard]] Task<std::optional<people::Sessions::Kept>> own_session(Principal principal, UserId changed);
  [[nodiscard]] Task<Answer> done(std::optional<people::Sessions::Kept> kept, store::User changed);
  // The caller's own password once more; the command line has none to show. `field` names it in the answer.
  [[nodiscard]] Task<std::expected<people::Confirmation, Problem>> confirm(Call call, Secret own_password, std::string field);

  people::Directory& directory_;
  people::Sessions& sessions_;
  Executor engine_;
};

}  // namespace latchkey::console
