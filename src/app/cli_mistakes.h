// What is wrong with a command line that could not be read, in one sentence that names the word and the way out.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "base/result.h"

namespace latchkey::app {

// "latchkey group add".
[[nodiscard]] std::string visible_name(const CLI::App& verb);

// For the same arguments that `app` refused with `error`. The parser names the first rule it finds broken, which is often not
// the mistake: of `group add --x` it says that NAME is missing.
[[nodiscard]] std::string words_for_mistake(const CLI::App& app, int argc, const char* const* argv, const CLI::ParseError& error);

// What happened and what to do, and behind it what the system said: all that somebody without a log can go by.
[[nodiscard]] std::string words_for_error(const Error& error);

}  // namespace latchkey::app
