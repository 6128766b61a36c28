// The header fields WebDAV adds to HTTP (RFC 4918 section 10). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace latchkey::wire::webdav {

enum class Depth { zero, one, infinity };
// Section 10.2; where the field is absent, `otherwise` (each method's own). Errors: invalid/`bad_depth`.
[[nodiscard]] Result<Depth> parse_depth(std::optional<std::string_view> field, Depth otherwise);

enum class Overwrite { yes, no };
// Section 10.6: absent is `T`. Errors: invalid/`bad_overwrite`.
[[nodiscard]] Result<Overwrite> parse_overwrite(std::optional<std::string_view> field);

struct Destination {
  std::string authority;  // lower case, as "host:port"; empty where the field is a path alone (RFC 4918 section 8.3)
  std::string path;       // decoded as decode_path() does
  friend bool operator==(const Destination&, const Destination&) = default;
};
// Section 10.3. Errors: invalid/`bad_destination` (absent, another scheme, a query or fragment), `bad_path`.
[[nodiscard]] Result<Destination> parse_destination(std::optional<std::string_view> field);

// Section 10.4: the lists of a field are alternatives, the conditions of a list must all hold.
struct Condition {
  enum class Kind { state_token, entity_tag };
  Kind kind = Kind::state_token;
  bool negated = false;
  std::string value;  // a token without its angles; an entity tag with its quotes
  friend bool operator==(const Condition&, const Condition&) = default;
};
struct ConditionList {
  std::string tag;  // whose state is meant; empty: the request's own resource
  std::vector<Condition> conditions;
  friend bool operator==(const ConditionList&, const ConditionList&) = default;
};
// At most 20 lists of 20 conditions. Errors: invalid/`bad_if`.
[[nodiscard]] Result<std::vector<ConditionList>> parse_if(std::string_view field);
// Whether the lists hold for a resource that has this entity tag (empty: it does not exist) where nothing is ever locked: no
// state token is anybody's. Lists about other resources never hold.
[[nodiscard]] bool holds(const std::vector<ConditionList>& lists, std::string_view entity_tag);

}  // namespace latchkey::wire::webdav
