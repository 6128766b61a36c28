// What a consent that waits asks, and whether what was named on the command line answers it. Pure; any thread.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"

namespace latchkey::app {

// What it asks, in the server's words, on one line. `authorization` as the API shows it.
[[nodiscard]] std::string question_of(const JsonObject& authorization);

// The same with the account and whose grant it endangers on lines of their own: no name that somebody has chosen reads like one of them.
[[nodiscard]] std::string question_at_length(const JsonObject& authorization);

// The account that has consented, each short enough to stand beside other words; "-": not told.
struct AccountCells {
  std::string id;
  std::string name;
};
[[nodiscard]] AccountCells account_cells(const JsonObject& authorization);

struct NamedBeforehand {
  std::string account;  // by the provider's own id; empty: not named
  std::string holder;   // whose grant a second consent of the same account endangers; empty: not named
  std::string replaces;  // the account that it would take the place of, by the provider's own id; empty: not named
  std::string question;  // the token of the question (`confirmation.question`), which names all of these; empty: not named
};
// Whether all that is asked about was named. Errors: invalid/`another_account`, `another_holder`, `another_replaced`,
// `another_question`, when something else was.
[[nodiscard]] Result<bool> is_named(const JsonObject& authorization, const NamedBeforehand& named);

}  // namespace latchkey::app
