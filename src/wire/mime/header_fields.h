// The header block of a message or part (RFC 5322 section 2.2) as devices send it. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace latchkey::wire {

class Charsets;

// One field. A value.
struct HeaderField {
  std::string name;   // as spelled, without blanks before the colon ("From :" is a From)
  std::string value;  // unfolded: one line, no CR, LF or NUL, no blanks at its ends
  friend bool operator==(const HeaderField&, const HeaderField&) = default;
};

[[nodiscard]] bool equal_ignoring_case(std::string_view left, std::string_view right);

// Gathers a header block line by line. A value.
class HeaderGatherer {
 public:
  enum class Verdict {
    taken,     // the line belongs to the block
    blank,     // the empty line that ends it
    no_field,  // neither a field nor a continuation: the block has ended without its empty line, and this is the body's
               // first line
  };
  // `line` comes without its line end. What is folded without the white space that folding asks for ("From:" and the
  // address on the next line) is taken as a continuation where the field would be empty or ends in a comma.
  [[nodiscard]] Verdict add(std::string_view line);

  [[nodiscard]] const std::vector<HeaderField>& fields() const { return fields_; }
  [[nodiscard]] std::vector<HeaderField> take() { return std::move(fields_); }

 private:
  std::vector<HeaderField> fields_;
};

// "Name: value\r\n", folded at white space so that lines have 78 characters where they can, and never more than 998 (RFC
// 5322 section 2.1.1). `value` holds no CR or LF.
[[nodiscard]] std::string write_field(std::string_view name, std::string_view value);

// The first field of that name.
[[nodiscard]] const HeaderField* find_field(const std::vector<HeaderField>& fields, std::string_view name);

// A value with parameters (RFC 2045 section 5.1, RFC 2183), its parameters decoded: RFC 2231 (continuations, charsets),
// RFC 2047 words in quotes, raw octets of old charsets. A value.
struct ParameterisedValue {
  std::string value;  // in small letters
  struct Parameter {
    std::string name;   // in small letters, without `*`
    std::string value;  // UTF-8
  };
  std::vector<Parameter> parameters;

  // Empty: none of that name.
  [[nodiscard]] std::string_view parameter(std::string_view name) const;
};
[[nodiscard]] ParameterisedValue parse_parameterised(std::string_view field_value, Charsets& charsets);
[[nodiscard]] ParameterisedValue parse_parameterised(std::string_view field_value);

}  // namespace latchkey::wire
