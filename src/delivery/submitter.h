// Who hands a document in, as the doors tell the reception. Values.
#pragma once

#include <variant>

#include "grants/token_desk.h"
#include "people/principal.h"

namespace latchkey::delivery {

// The folder door: its files have no author.
struct DropFolder {};

using Submitter = std::variant<grants::Caller, people::AdmittedDevice, DropFolder>;

// Of whoever a door has let in.
[[nodiscard]] Submitter submitter_of(people::Principal principal);

}  // namespace latchkey::delivery
