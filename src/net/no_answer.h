// A handler's wish to say nothing at all: the connection is closed. For practice services, which rehearse answers that are
// lost.
#pragma once

#include "net/http_types.h"

namespace latchkey::net {

inline constexpr int kNoAnswer = 0;

[[nodiscard]] inline HttpResponse no_answer() {
  HttpResponse response;
  response.status = kNoAnswer;
  return response;
}

}  // namespace latchkey::net
