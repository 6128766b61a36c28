// Files built into the binary.
#pragma once

#include <string_view>

namespace latchkey::pages {

// Static data; lives as long as the program.
struct EmbeddedFile {
  std::string_view path;    // "/assets/index-Bd3.js", "/index.html", "/index.html.br" for compressed siblings
  std::string_view sha256;  // hexadecimal, of the content: a validator for caches
  std::string_view content;
};

// "text/javascript; charset=utf-8" and its like by the name's ending.
[[nodiscard]] std::string_view media_type_of(std::string_view path);

}  // namespace latchkey::pages
