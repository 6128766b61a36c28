// multipart bodies (RFC 2046 section 5.1; multipart/form-data: RFC 7578), read as they arrive. Pure: octets in, events out.
//
// Invariants: nothing is kept but what has been fed and not yet given out, a part's header (bounded), and one delimiter's
// length; what is ambiguous about where a part ends is refused. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace latchkey::wire {

// The boundary of a Content-Type such as `multipart/form-data; boundary="a b"`. Errors: invalid/`malformed_multipart`.
[[nodiscard]] Result<std::string> multipart_boundary(std::string_view content_type);

struct MultipartLimits {
  std::size_t parts_max = 200;
  std::size_t header_bytes_max = 8 * 1024;  // of one part; of the preamble, too
};

class MultipartReader {
 public:
  // Field names in lower case, values without the spaces around them.
  struct PartBegins {
    std::vector<std::pair<std::string, std::string>> headers;
    // The first of that name, or nothing. `name` in lower case.
    [[nodiscard]] std::string_view header(std::string_view name) const;
  };
  struct PartOctets {
    std::string_view octets;  // valid until the next call
  };
  struct PartEnds {};
  struct NeedsMore {};
  struct End {};  // what follows is to be ignored
  using Event = std::variant<NeedsMore, PartBegins, PartOctets, PartEnds, End>;

  explicit MultipartReader(std::string_view boundary, MultipartLimits limits = {});

  // More of the body; everything given out before is dropped.
  void feed(std::string_view octets);
  // What comes next of what was fed. Errors: invalid/`malformed_multipart`, for good.
  [[nodiscard]] Result<Event> next();

 private:
  enum class State { preamble, behind_delimiter, header, body, part_end, end };
  [[nodiscard]] Result<Event> find_first_delimiter();
  [[nodiscard]] Result<Event> read_behind_delimiter();
  [[nodiscard]] Result<Event> read_header();
  [[nodiscard]] Event read_body();
  [[nodiscard]] std::string_view rest() const { return std::string_view(buffer_).substr(at_); }

  std::string delimiter_;  // "\r\n--boundary"
  MultipartLimits limits_;
  std::string buffer_;
  std::size_t at_ = 0;
  State state_ = State::preamble;
  std::size_t parts_ = 0;
  bool at_start_ = true;      // of the whole body
  bool body_begins_ = false;  // nothing of this part's body has been given out
};

}  // namespace latchkey::wire
