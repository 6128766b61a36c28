// Files built into the binary: the console from web/dist, and the API's description.
#pragma once

#include <span>

#include "pages/embedded_file.h"

namespace latchkey::console {

// What web/dist held when the binary was built; empty when the console had not been built.
[[nodiscard]] std::span<const pages::EmbeddedFile> embedded_console();
// api/openapi.json
[[nodiscard]] const pages::EmbeddedFile& embedded_openapi();

}  // namespace latchkey::console
