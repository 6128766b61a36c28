#include "app/health_words.h"

#include <fmt/format.h>

#include "app/verbs.h"
#include "base/shown_name.h"

namespace latchkey::app {

std::string alert_line(const JsonObject& alert, std::string_view note) {
  return base::as_shown(fmt::format("{}{}: {}. {}", cell(alert, "severity"), note, cell(alert, "title"), cell(alert, "detail"))) + "\n";
}

}  // namespace latchkey::app
