// What every check is: a name, and errands that run side by side.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "doctor/finding.h"
#include "doctor/survey.h"

namespace latchkey::doctor {

// A part of a check that stands alone, so that one host that hangs hides nothing else. Its task never blocks the thread
// (what blocks goes to a worker), sends no token, no code and no secret, and spends no refresh token; it ends by itself
// within the doctor's patience or is left behind as unfinished.
struct Errand {
  std::string subject;  // of the finding that says it did not end
  Task<std::vector<Finding>> task;
};

// A resource; it outlives its errands. Called on the doctor's executor.
class Check {
 public:
  Check() = default;
  Check(const Check&) = delete;
  Check& operator=(const Check&) = delete;
  virtual ~Check() = default;

  // In the findings, the API and the metrics: [a-z_]+.
  [[nodiscard]] virtual std::string_view name() const = 0;
  // Not begun yet. The survey outlives them.
  [[nodiscard]] virtual std::vector<Errand> errands(const Survey& survey) = 0;
};

}  // namespace latchkey::doctor
