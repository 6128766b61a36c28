// /types and /apps: what can be authorised, and with whose registration.
#pragma once

#include <functional>
#include <memory>

#include "base/task.h"
#include "catalog/catalog.h"
#include "console/router.h"
#include "grants/apps.h"

namespace latchkey::console {

// What the dialog needs to know of PINs.
struct PinRules {
  std::int64_t min_length = 6;
  std::int64_t max_bytes = 256;
  std::int64_t generate_length = 10;
};

class TypesApi final : public ApiSection {
 public:
  // `pin_rules` and `device_code_allowed` read the registry of now; any thread.
  TypesApi(std::shared_ptr<const catalog::Catalog> catalog, grants::Apps& apps, Executor engine,
           std::function<PinRules()> pin_rules, std::function<bool(std::string_view type)> device_code_allowed,
           std::function<bool()> cloud_used)
      : catalog_(std::move(catalog)), apps_(apps), engine_(std::move(engine)), pin_rules_(std::move(pin_rules)),
        device_code_allowed_(std::move(device_code_allowed)), cloud_used_(std::move(cloud_used)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);

  std::shared_ptr<const catalog::Catalog> catalog_;
  grants::Apps& apps_;
  Executor engine_;
  std::function<PinRules()> pin_rules_;
  std::function<bool(std::string_view)> device_code_allowed_;
  std::function<bool()> cloud_used_;  // `oauth.use_cloud_service`; any thread
};

class AppsApi final : public ApiSection {
 public:
  AppsApi(std::shared_ptr<const catalog::Catalog> catalog, grants::Apps& apps, Executor engine)
      : catalog_(std::move(catalog)), apps_(apps), engine_(std::move(engine)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> put(Call call);
  [[nodiscard]] Task<Answer> remove(Call call);

  std::shared_ptr<const catalog::Catalog> catalog_;
  grants::Apps& apps_;
  Executor engine_;
};

}  // namespace latchkey::console
