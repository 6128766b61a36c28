// Text in old charsets and in encoded words (RFC 2047), to and from UTF-8. Pure.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace latchkey::wire {

// The charsets that one message or field names: each is looked for once, and of more than kMost those beyond are unknown, since
// looking costs a thousand times what converting a word does. A resource; one thread at a time.
class Charsets {
 public:
  static constexpr std::size_t kMost = 16;
  Charsets();
  Charsets(const Charsets&) = delete;
  Charsets& operator=(const Charsets&) = delete;
  ~Charsets();

  // As to_utf8() below.
  [[nodiscard]] std::string to_utf8(std::string_view text, std::string_view charset);
  [[nodiscard]] std::size_t looked_for() const;

 private:
  class Works;
  std::unique_ptr<Works> works_;
};

[[nodiscard]] bool is_utf8(std::string_view text);

// `text` of that charset as UTF-8. What cannot be converted becomes U+FFFD; an unknown charset is taken for UTF-8 where it
// is that, for windows-1252 otherwise.
[[nodiscard]] std::string to_utf8(std::string_view text, std::string_view charset);

// Octets of which nobody said what they are: UTF-8 where they are that, windows-1252 otherwise (every octet has a meaning).
[[nodiscard]] std::string guess_utf8(std::string_view octets);

// A header field's text with its encoded words (RFC 2047) decoded; words that cannot be read stay as they are. Encoded words
// in quotes and without white space between them, as devices send them, are read too. UTF-8.
[[nodiscard]] std::string decode_words(std::string_view text, Charsets& charsets);
[[nodiscard]] std::string decode_words(std::string_view text);

// UTF-8 text for an unstructured field or a phrase: as it is where it is printable ASCII without anything that reads as an
// encoded word, else encoded words (B) of at most 75 characters, separated by a blank. Control characters become blanks.
[[nodiscard]] std::string encode_words(std::string_view utf8);

// ASCII text between quotation marks (quoted-string of RFC 5322), those inside and backslashes escaped.
[[nodiscard]] std::string quoted_string(std::string_view text);

}  // namespace latchkey::wire
