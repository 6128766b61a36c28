// /groups.
#pragma once

#include "console/router.h"
#include "grants/grant_desk.h"
#include "people/directory.h"
#include "store/store.h"

namespace latchkey::console {

class GroupsApi final : public ApiSection {
 public:
  GroupsApi(people::Directory& directory, store::Store& store, grants::GrantDesk& desk, Executor engine)
      : directory_(directory), store_(store), desk_(desk), engine_(std::move(engine)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> add(Call call);
  [[nodiscard]] Task<Answer> rename(Call call);
  [[nodiscard]] Task<Answer> remove(Call call);
  [[nodiscard]] Task<Answer> show(int status, GroupId id);
  // Ends the grants of everybody in the group at their providers, after making sure that deleting may go on.
  [[nodiscard]] Task<std::optional<Problem>> revoke_members(const Call& call, GroupId id);

  people::Directory& directory_;
  store::Store& store_;
  grants::GrantDesk& desk_;
  Executor engine_;
};

}  // namespace latchkey::console
