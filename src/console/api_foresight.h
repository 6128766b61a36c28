// /health, /notices and the bad day's /grants/revoke.
#pragma once

#include <memory>

#include "catalog/catalog.h"
#include "console/router.h"
#include "grants/grant_desk.h"
#include "grants/health_desk.h"
#include "grants/notice_desk.h"

namespace latchkey::console {

class ForesightApi final : public ApiSection {
 public:
  struct Parts {
    grants::HealthDesk& health;
    grants::NoticeDesk& notices;
    grants::GrantDesk& desk;
    std::shared_ptr<const catalog::Catalog> catalog;
    Executor engine;
  };
  explicit ForesightApi(Parts parts) : parts_(std::move(parts)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> health(Call call);
  [[nodiscard]] Task<Answer> notices(Call call);
  [[nodiscard]] Task<Answer> test_notice(Call call);
  [[nodiscard]] Task<Answer> set_secret(Call call);
  [[nodiscard]] Task<Answer> revoke(Call call);

  Parts parts_;
};

}  // namespace latchkey::console
