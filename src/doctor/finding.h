// What the doctor says: values, in words for an administrator.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace latchkey::doctor {

enum class Severity {
  ok,       // looked at, and in order
  note,     // cannot be told, or is as somebody may want it
  warning,  // works, and will not for ever or for everybody
  error,    // something does not work until a person acts
};
[[nodiscard]] std::string_view name_of(Severity severity);

// Something to paste elsewhere byte for byte, or to open.
struct Handover {
  enum class Kind { copy, link } kind = Kind::copy;
  std::string label;
  std::string text;  // of a link: an https (or loopback http) address
};

struct Finding {
  std::string check;    // the name of the check: "redirect_uris"
  std::string subject;  // what was looked at: an app, a host, a file
  Severity severity = Severity::ok;
  std::string seen;    // one or two sentences
  std::string remedy;  // what to do; empty where nothing is to be done
  std::vector<Handover> handovers;
};

// One examination.
struct Report {
  WallTime examined_at{};
  Milliseconds took{0};
  std::vector<Finding> findings;  // in the order of the checks, and within one the worst first

  [[nodiscard]] Severity worst() const;
};

}  // namespace latchkey::doctor
