#include "console/embedded.h"

#include "console/embedded_api.inc"
#include "console/embedded_console.inc"
#include "console/embedded_flow.inc"

namespace latchkey::console {

std::span<const EmbeddedFile> embedded_console() { return {kConsoleFiles, kConsoleFileCount}; }

const EmbeddedFile& embedded_openapi() { return kApiFiles[0]; }

std::span<const EmbeddedFile> embedded_flow() { return {kFlowFiles, kFlowFileCount}; }

}  // namespace latchkey::console
