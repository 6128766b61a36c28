// The provider files compiled in.
#pragma once

#include <span>
#include <string_view>

namespace latchkey::catalog {

struct BuiltinFile {
  std::string_view name;
  std::string_view text;
};

// In the order the console shows providers; without the practice service.
[[nodiscard]] std::span<const BuiltinFile> builtin_files();
[[nodiscard]] BuiltinFile sandbox_file();

}  // namespace latchkey::catalog
