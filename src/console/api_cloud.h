// /cloud-service: enrolling at a Cloud Service, asking it, agreeing to what it names, leaving it.
#pragma once

#include <functional>

#include "console/router.h"
#include "grants/cloud_desk.h"

namespace latchkey::console {

class CloudApi final : public ApiSection {
 public:
  // `used`: `oauth.use_cloud_service`; any thread.
  CloudApi(grants::CloudDesk& desk, std::function<bool()> used, Executor engine)
      : desk_(desk), used_(std::move(used)), engine_(std::move(engine)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> show(Call call);
  [[nodiscard]] Task<Answer> enrol(Call call);
  [[nodiscard]] Task<Answer> check(Call call);
  [[nodiscard]] Task<Answer> agree(Call call);
  [[nodiscard]] Task<Answer> leave(Call call);
  [[nodiscard]] Answer answer_of(const Result<grants::CloudStatus>& status) const;

  grants::CloudDesk& desk_;
  std::function<bool()> used_;
  Executor engine_;
};

}  // namespace latchkey::console
