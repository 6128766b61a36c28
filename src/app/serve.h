// `latchkey serve`: builds the house, runs it until a signal says stop.
#pragma once

#include "app/config.h"
#include "app/wiring.h"

namespace latchkey::app {

// Returns the exit status; what went wrong is one line on stderr.
[[nodiscard]] int serve(Config config, ServeOptions options);

}  // namespace latchkey::app
