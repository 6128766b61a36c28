#include "delivery/submitter.h"

namespace latchkey::delivery {

Submitter submitter_of(people::Principal principal) {
  if (auto* user = std::get_if<people::Admitted>(&principal)) {
    return grants::Caller{.user = user->user, .auth_epoch = user->auth_epoch, .pin = std::move(user->pin)};
  }
  return std::get<people::AdmittedDevice>(std::move(principal));
}

}  // namespace latchkey::delivery
