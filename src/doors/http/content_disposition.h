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

// A part of a form: `form-data; name="document"; filename="a.pdf"` (RFC 7578 section 4.2).
struct FormPart {
  std::string name;
  std::optional<std::string> file_name;  // nullopt: it is a field, no file; as sent: whoever uses it checks it
};
// Errors: invalid/`malformed_multipart`, `bad_name`.
[[nodiscard]] Result<FormPart> form_part_of(std::string_view field);

}  // namespace latchkey::doors
