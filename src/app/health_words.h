// What `latchkey health` says of an alert. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace latchkey::app {

// On one line with its end: severity, `note`, title and detail. Names and providers' words in it move no cursor (base/shown_name.h).
[[nodiscard]] std::string alert_line(const JsonObject& alert, std::string_view note);

}  // namespace latchkey::app
