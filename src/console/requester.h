// The caller of the API as the engine's rooms want to know it.
#pragma once

#include "console/router.h"
#include "grants/authorize.h"

namespace latchkey::console {

[[nodiscard]] inline grants::Requester requester_of(const Call& call) {
  return {.actor = call.principal.username, .user = call.principal.user, .session_hash = call.principal.session_hash,
          .source = call.source()};
}

}  // namespace latchkey::console
