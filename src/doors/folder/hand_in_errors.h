// What an error says of a file in a drop folder. Pure; private to the door.
#pragma once

#include "base/result.h"

namespace latchkey::doors {

// Whether the document itself is what stands in the way; else it waits until something else is mended.
[[nodiscard]] bool speaks_of_document(const Error& error);

// Whether its sender is not done with it, or has taken it back.
[[nodiscard]] bool another_time(const Error& error);

}  // namespace latchkey::doors
