#include "relay/enrolments.h"

#include <algorithm>

namespace latchkey::relay {

Result<void> may_use(const Enrolment& office, std::string_view type) {
  if (std::ranges::find(office.types, type) != office.types.end()) return {};
  return fail(ErrorKind::refused, "type_not_enrolled",
              "This office is not enrolled for this type of account at this Cloud Service. Its operator can allow it.");
}

}  // namespace latchkey::relay
