// Files built into the binary: the console from web/dist, the API's description, and the flow's own stylesheet.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace latchkey::console {

// Static data; lives as long as the program.
struct EmbeddedFile {
  std::string_view path;    // "/assets/index-Bd3.js", "/index.html", "/index.html.br" for compressed siblings
  std::string_view sha256;  // hexadecimal, of the content: a validator for caches
  std::string_view content;
};

// What web/dist held when the binary was built; empty when the console had not been built.
[[nodiscard]] std::span<const EmbeddedFile> embedded_console();
// api/openapi.json
[[nodiscard]] const EmbeddedFile& embedded_openapi();
// Stylesheet, script and picture of the authorise flow's pages (src/console/flow).
[[nodiscard]] std::span<const EmbeddedFile> embedded_flow();

}  // namespace latchkey::console
