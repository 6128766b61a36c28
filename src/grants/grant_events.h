// What a grant's timeline keeps of what happened to it (docs/design/foresight.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "grants/exchange.h"
#include "store/store.h"

namespace latchkey::grants {

// The line that an exchange adds; nullopt: none, since the day's refreshes stand in one line already. `outcome` nullptr: the
// answer was lost with an earlier process.
[[nodiscard]] std::optional<store::NoteGrantEvent> event_of(const store::Grant& before, const store::Grant& after,
                                                            const ExchangeOutcome* outcome, WallTime now);

// A line for what a person, or the server by itself, did.
[[nodiscard]] store::NoteGrantEvent deed(const store::Grant& grant, store::GrantEventKind kind, WallTime now, std::string actor,
                                         std::string detail);

}  // namespace latchkey::grants
