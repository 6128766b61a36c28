#include "base/result.h"

#include <cstdio>
#include <cstdlib>

namespace latchkey::base {

std::string_view name_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid: return "invalid";
    case ErrorKind::refused: return "refused";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::unavailable: return "unavailable";
    case ErrorKind::ambiguous: return "ambiguous";
    case ErrorKind::misconfigured: return "misconfigured";
    case ErrorKind::needs_person: return "needs_person";
    case ErrorKind::corrupt: return "corrupt";
    case ErrorKind::bug: return "bug";
  }
  return "bug";
}

std::unexpected<Error> fail(ErrorKind kind, std::string reason, std::string text, ErrorExtras extras) {
  return std::unexpected(Error{.kind = kind,
                               .reason = std::move(reason),
                               .text = std::move(text),
                               .detail = std::move(extras.detail),
                               .field = std::move(extras.field),
                               .retry_after = extras.retry_after});
}

void broken_invariant(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "latchkey: broken invariant: %s (%s:%d). Please report this.\n", expression, file, line);
  std::abort();
}

}  // namespace latchkey::base
