#include "doctor/finding.h"

#include <algorithm>

namespace latchkey::doctor {

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::ok:
      return "ok";
    case Severity::note:
      return "note";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "note";
}

Severity Report::worst() const {
  const auto found = std::ranges::max_element(findings, {}, &Finding::severity);
  return found == findings.end() ? Severity::ok : found->severity;
}

}  // namespace latchkey::doctor
