// The caller of the API as the room of people wants to know it.
#pragma once

#include "console/router.h"
#include "people/audit.h"

namespace latchkey::console {

[[nodiscard]] inline people::Actor actor_of(const Call& call) {
  return {.name = call.principal.username, .source = call.source(), .user = call.principal.user};
}

}  // namespace latchkey::console
