// Which types of documents a connector takes: `content_types` of its target; none: all. Pure.
//
// What a document is, is told by the type that came with it and by the ending of its name, as far as either says something:
// application/octet-stream does not, nor does an ending that nobody knows. Its octets are not looked at.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/records.h"

namespace latchkey::delivery {

inline constexpr std::size_t kContentTypesMax = 50;

// As typed: `application/pdf`, `image/*`, or the ending of a name, `.dwg`. In small letters, each once. Errors: invalid, field
// `content_types`, with the one that is wrong.
[[nodiscard]] Result<std::vector<std::string>> check_content_types(const std::vector<std::string>& typed);
[[nodiscard]] std::vector<std::string> content_types_of(const store::Connector& connector);

// ".pdf" of "Scan 4.PDF", and of "scan.pdf.1", as FTP servers number what comes twice; empty: it has none.
[[nodiscard]] std::string name_ending_of(std::string_view name);

enum class Fit {
  fits,      // its ending is listed; or whatever says something of its type says a listed one
  does_not,
  untold,    // neither its type nor its name says anything
};
[[nodiscard]] Fit fit_of(const std::vector<std::string>& listed, std::string_view name, std::string_view content_type);

// Errors: refused/`content_type_not_allowed`, in words for a person at a device.
[[nodiscard]] Result<void> check_content_type(const std::vector<std::string>& listed, std::string_view name,
                                              std::string_view content_type);

}  // namespace latchkey::delivery
