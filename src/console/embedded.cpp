#include "console/embedded.h"

#include "console/embedded_api.inc"
#include "console/embedded_console.inc"

namespace latchkey::console {

std::span<const pages::EmbeddedFile> embedded_console() { return {kConsoleFiles, kConsoleFileCount}; }

const pages::EmbeddedFile& embedded_openapi() { return kApiFiles[0]; }

}  // namespace latchkey::console
