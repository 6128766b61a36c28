// What a document says of its own type (RFC 2045 section 5.1), as far as it can be read. Pure.
#pragma once

#include <string>
#include <string_view>

namespace latchkey::wire {

inline constexpr std::string_view kUnknownMediaType = "application/octet-stream";

// "application/pdf": two names of RFC 6838 section 4.2 (ASCII letters, digits and !#$&-^_.+, at most 127 octets, the first a
// letter or digit), and nothing else.
[[nodiscard]] bool is_media_type(std::string_view text);

// The type of a field "Application/PDF; name=..." in small letters, without its parameters; kUnknownMediaType where it is none,
// empty where the field says nothing. It is stored and goes on to destinations: what comes back is ASCII.
[[nodiscard]] std::string media_type_of(std::string_view field_value);

}  // namespace latchkey::wire
