// /doctor: the set-up examined, and the last examination.
#pragma once

#include "console/router.h"
#include "doctor/doctor.h"

namespace latchkey::console {

class DoctorApi final : public ApiSection {
 public:
  explicit DoctorApi(doctor::Examiner& doctor) : doctor_(doctor) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> show(Call call);
  [[nodiscard]] Task<Answer> examine(Call call);

  doctor::Examiner& doctor_;
};

}  // namespace latchkey::console
