// The file name in a Content-Disposition field (RFC 6266). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace latchkey::doors {

// The name of `attachment; filename="a b.pdf"`; of `filename*=UTF-8''a%20b.pdf` (RFC 8187), which wins, the decoded one.
// nullopt: the field names none. The name is as sent: whoever uses it checks it. Errors: invalid/`bad_name` where the field
// cannot be read.
[[nodiscard]] Result<std::optional<std::string>> file_name_of(std::string_view field);

}  // namespace latchkey::doors
