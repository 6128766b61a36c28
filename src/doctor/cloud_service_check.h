// The Cloud Service, where one is used: whether it answers and still knows this office, whether its clock and the address it
// sends browsers back to are the right ones, and accounts that rest on one which this server has left.
#pragma once

#include <functional>

#include "doctor/check.h"
#include "grants/cloud_desk.h"

namespace latchkey::doctor {

struct CloudLook {
  bool used = true;            // `oauth.use_cloud_service`
  grants::CloudStatus status;  // as last heard; not enrolled: nothing below
  Result<grants::CloudStatus> now = grants::CloudStatus{};  // as it says now, with the errors of grants::CloudDesk::look()
};
// Called on the doctor's executor, where it ends as well. Errors: the store's.
using CloudLooker = std::function<Task<Result<CloudLook>>()>;

class CloudServiceCheck final : public Check {
 public:
  explicit CloudServiceCheck(CloudLooker looker) : looker_(std::move(looker)) {}
  [[nodiscard]] std::string_view name() const override { return "cloud_service"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  CloudLooker looker_;
};

}  // namespace latchkey::doctor
