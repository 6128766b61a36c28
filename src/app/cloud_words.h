// What `latchkey cloud` says of this server's place at a Cloud Service. Pure.
#pragma once

#include <string>

#include "base/json.h"

namespace latchkey::app {

// `status`: what GET /api/v1/cloud-service answers; `data`: the data directory the command line works with. For each app that waits for an
// agreement: why, and the whole command that agrees to just what is shown, quoted for a POSIX shell.
[[nodiscard]] std::string cloud_status_words(const JsonObject& status, const std::string& data);

}  // namespace latchkey::app
