#include "app/version.h"

#include <fmt/format.h>

namespace latchkey::app {

std::string_view version() { return LATCHKEY_VERSION; }

std::string build_information() {
#ifdef LATCHKEY_SANITIZED
  constexpr std::string_view kKind = "sanitizer build";
#elif defined(NDEBUG)
  constexpr std::string_view kKind = "release build";
#else
  constexpr std::string_view kKind = "debug build";
#endif
  return fmt::format("clang {}.{}.{}, {}", __clang_major__, __clang_minor__, __clang_patchlevel__, kKind);
}

}  // namespace latchkey::app
