// /users: the list, one user, and what may be done with one (api_user_secrets.h has PINs and passwords).
#pragma once

#include <memory>

#include "catalog/catalog.h"
#include "console/router.h"
#include "grants/grant_desk.h"
#include "people/directory.h"
#include "store/registry.h"
#include "store/store.h"

namespace latchkey::console {

class UsersApi final : public ApiSection {
 public:
  struct Parts {
    people::Directory& directory;
    store::Store& store;
    const store::Registry& registry;
    std::shared_ptr<const catalog::Catalog> catalog;
    grants::GrantDesk& desk;
    Executor engine;
  };
  explicit UsersApi(Parts parts) : parts_(std::move(parts)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> add(Call call);
  [[nodiscard]] Task<Answer> bulk(Call call);
  [[nodiscard]] Task<Answer> get(Call call);
  [[nodiscard]] Task<Answer> patch(Call call);
  [[nodiscard]] Task<Answer> remove(Call call);
  [[nodiscard]] Task<Answer> preview(Call call);
  [[nodiscard]] Task<Answer> reset_throttle(Call call);

  struct Loss {
    JsonObject json;  // DeletionPreview
    std::string blocked_by;
  };
  [[nodiscard]] Json throttle_json(const std::vector<store::PinFailureCount>& failures, const std::vector<store::KnownSource>& known) const;
  [[nodiscard]] Task<Answer> detail(int status, UserId id);
  [[nodiscard]] Task<std::expected<Loss, Problem>> loss_of(const Principal& principal, UserId id);
  [[nodiscard]] Task<Result<JsonArray>> group_counts(store::UserQuery query);
  [[nodiscard]] Task<Problem> problem_of_user(Error error);
  [[nodiscard]] Task<std::optional<Problem>> delete_one(const Call& call, UserId id);
  struct BulkWish {
    std::string action;
    GroupId group{};
  };
  // nullopt: done.
  [[nodiscard]] Task<std::optional<Problem>> act_on(const Call& call, UserId id, const BulkWish& wish);

  Parts parts_;
};

}  // namespace latchkey::console
