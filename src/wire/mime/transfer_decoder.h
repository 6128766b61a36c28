// Content transfer encodings (RFC 2045 section 6) undone as a stream. Pure; a value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace latchkey::wire {

enum class TransferEncoding {
  identity,
  base64,
  quoted_printable,
  unknown,  // "x-uuencode": what comes is no document; its octets are told as they are
};

// Of a field's value: the word, whatever the letter case, with comments and what follows left out ("base64 (by the scanner)"). "7bit",
// "8bit" and "binary", also as devices misspell them, and an empty field are identity.
[[nodiscard]] TransferEncoding transfer_encoding_of(std::string_view value);

class TransferDecoder {
 public:
  explicit TransferDecoder(TransferEncoding encoding = TransferEncoding::identity) : encoding_(encoding) {}

  // Appends to `out` what these octets stand for. Cut anywhere.
  void feed(std::string_view octets, Bytes& out);
  // The end: what was held back. False when the encoding was broken: foreign characters in base64 (RFC 2045 lets readers
  // skip them; they are skipped, and told), a lone last character. A damaged quoted-printable escape is kept as it is.
  [[nodiscard]] bool finish(Bytes& out);

 private:
  void feed_base64(std::string_view octets, Bytes& out);
  void feed_quoted_printable(std::string_view octets, Bytes& out);

  TransferEncoding encoding_;
  std::uint32_t bits_ = 0;  // base64: of an unfinished group
  unsigned held_ = 0;       // base64: how many characters of it
  std::string waiting_;     // quoted-printable: an escape or white space that is not decided; bounded
  bool broken_ = false;
};

}  // namespace latchkey::wire
