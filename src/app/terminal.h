// What the command line reads from and writes to the terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/secret.h"

namespace latchkey::app {

// What the server takes: its API speaks JSON, which is UTF-8.
[[nodiscard]] bool is_utf8(std::string_view text);

// A secret out of a file, without one newline at its end. Errors: invalid/`unreadable_file`, naming option and file; at
// most 64 KiB, not empty.
[[nodiscard]] Result<Secret> read_secret_file(std::string_view option, const std::string& path);

// The same of what is piped in. Errors: invalid/`unreadable_file`.
[[nodiscard]] Result<Secret> read_secret_input();

enum class Ask { once, twice };
// Asks on the terminal without echo; `twice` for new ones. Errors: invalid/`no_terminal` naming the option to use instead.
[[nodiscard]] Result<Secret> prompt_secret(std::string_view what, std::string_view option, Ask ask);

// A line typed in answer to `question`, which stands on standard error: what was typed before it stood there is no answer to it. Empty
// at the end of input. Standard input is a terminal.
[[nodiscard]] std::string ask_line(std::string_view question);

// Columns as wide as their content, two spaces apart; nothing is cut. What may not be shown is '?', and several blanks in a cell are
// one (base/shown_name.h): no cell looks like two.
[[nodiscard]] std::string table(const std::vector<std::string>& heads, const std::vector<std::vector<std::string>>& rows);

// As one word for a POSIX shell, whatever it holds.
[[nodiscard]] std::string shell_quoted(std::string_view word);

// Two-space indented JSON with a newline at its end. What may not be shown to people (base/shown_name.h) is written as `\u202e`: the
// same to whatever reads JSON, and nothing to a terminal.
[[nodiscard]] std::string pretty(const Json& value);

void print(std::string_view text);

}  // namespace latchkey::app
