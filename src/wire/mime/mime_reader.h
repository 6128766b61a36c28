// A message (RFC 5322, MIME: RFC 2045 to 2049) read as a stream: octets in, events out. Pure; memory is bounded whatever the
// message's size: one header block, one line that might be a delimiter, and what the last feed() has decoded.
//
//   MimeReader reader;
//   auto events = reader.feed(octets);   // as often as octets come, in pieces of any size
//   auto last = reader.finish();
//
// Leaves alone are told: a multipart's own header shows in the depth of what is in it. A message/rfc822 part is a leaf (its
// octets are the forwarded message). Lines end in CRLF or LF alone, as devices send them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace latchkey::wire {

enum class Disposition { none, inline_, attachment };

// What a part says of itself, decoded.
struct PartHead {
  // "application/pdf", in small letters, ASCII. Where none can be read "text/plain" (RFC 2045 section 5.2), or
  // "application/octet-stream" if it says that it is no text.
  std::string type;
  std::string charset;  // of text, in small letters; empty: none is named
  Disposition disposition = Disposition::none;
  std::string file_name;   // UTF-8, as the sender has it: whoever uses it checks it; empty: none
  std::string content_id;  // without brackets; empty: none
  bool encoding_known = true;  // false: its octets are told as they came, and are not what is meant
  unsigned depth = 0;          // in how many multiparts it lies
  // The outermost multipart/alternative it lies in, counted from 1: parts of one number say the same (RFC 2046 section 5.1.4). 0: in none.
  unsigned alternative = 0;

  // A document rather than the text of the message: it has a name, is called an attachment, or is no text.
  [[nodiscard]] bool is_document() const;
};

// How a part came to its end.
enum class PartEnding {
  whole,    // by its delimiter, or as the message's only part
  cut_off,  // the message ended in it, though a multipart was still open
  damaged,  // its transfer encoding is broken: what was told of it is not what was meant
};

struct PartBegins {
  PartHead head;
};
// Decoded octets of the part that has begun; never empty.
struct PartOctets {
  Bytes octets;
};
struct PartEnds {
  PartEnding ending = PartEnding::whole;
};
using MimeEvent = std::variant<PartBegins, PartOctets, PartEnds>;

struct MimeLimits {
  std::size_t header_bytes_max = 128 * 1024;  // of one header block
  unsigned depth_max = 20;                    // multiparts in multiparts
  std::size_t parts_max = 1000;               // of all kinds
};

// A resource. After an error nothing more may be fed.
class MimeReader {
 public:
  explicit MimeReader(MimeLimits limits = {});
  MimeReader(const MimeReader&) = delete;
  MimeReader& operator=(const MimeReader&) = delete;
  ~MimeReader();

  // What these octets bring, in order. Errors: refused/`mail_header_too_long`, `mail_too_deep`, `mail_too_many_parts`.
  [[nodiscard]] Result<std::vector<MimeEvent>> feed(std::string_view octets);
  // The message is complete. Errors as of feed().
  [[nodiscard]] Result<std::vector<MimeEvent>> finish();

 private:
  class Works;
  std::unique_ptr<Works> works_;
};

}  // namespace latchkey::wire
