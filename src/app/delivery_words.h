// Deliveries on a terminal. Their names and reasons are whoever's who handed them in, and destinations': nothing of them
// moves the cursor, turns round or begins a line. Pure; any thread.
#pragma once

#include <string>

#include "base/json.h"

namespace latchkey::app {

// A delivery as the API shows it, on one line: id, state, name, and the receipt's link or why it is not delivered.
[[nodiscard]] std::string line_of(const JsonObject& delivery);

// Its whole road, a step a line.
[[nodiscard]] std::string road_of(const JsonObject& delivery);

}  // namespace latchkey::app
