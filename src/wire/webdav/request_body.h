// The XML bodies of PROPFIND and PROPPATCH (RFC 4918 sections 14.20 and 14.19). Pure.
//
// Read by expat as a stream of events, with namespaces: no tree is built, document types (and so entities of their own) end
// the reading, and sizes are bounded. Values are not kept: nothing here can be set.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace latchkey::wire::webdav {

inline constexpr std::size_t kBodyBytesMax = 64 * 1024;
inline constexpr std::size_t kPropertiesMax = 100;

struct PropertyName {
  std::string space;  // "DAV:"; empty: none
  std::string name;
  friend bool operator==(const PropertyName&, const PropertyName&) = default;
};

struct PropfindQuestion {
  enum class Kind { all, names, some };
  Kind kind = Kind::all;
  std::vector<PropertyName> properties;  // of `some`, and what `all` shall include besides
};

// An empty body asks for all (section 9.1). Elements that are not known are skipped (section 17). Errors: invalid/`bad_xml`.
[[nodiscard]] Result<PropfindQuestion> parse_propfind(std::string_view body);
// The properties to be set or removed, in order, each once. Errors: invalid/`bad_xml`.
[[nodiscard]] Result<std::vector<PropertyName>> parse_proppatch(std::string_view body);

}  // namespace latchkey::wire::webdav
