// /groups.
#pragma once

#include "console/router.h"
#include "people/directory.h"
#include "store/store.h"

namespace latchkey::console {

class GroupsApi final : public ApiSection {
 public:
  GroupsApi(people::Directory& directory, store::Store& store) : directory_(directory), store_(store) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> add(Call call);
  [[nodiscard]] Task<Answer> rename(Call call);
  [[nodiscard]] Task<Answer> remove(Call call);
  [[nodiscard]] Task<Answer> show(int status, GroupId id);
  // Whether everybody in the group may be deleted, before anybody is.
  [[nodiscard]] Task<std::optional<Problem>> check_members(const Call& call, GroupId id);

  people::Directory& directory_;
  store::Store& store_;
};

}  // namespace latchkey::console
