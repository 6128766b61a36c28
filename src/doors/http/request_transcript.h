// What was said in one exchange of HTTP, for a person who looks for what a device does wrong. Never what may be a secret: of
// the header fields those of a list alone, of Authorization its scheme, of a query that there is one, of an address in a
// field what stands behind its host; and nothing of a body but its size. Pure.
//
// Bounds: 20 fields of a request, lines of 200 characters. Lines are printable ASCII; what is not is "?".
#pragma once

#include <cstdint>
#include <vector>

#include "net/http_types.h"
#include "people/device_conversations.h"

namespace latchkey::doors {

// A value.
struct CameBody {
  std::uint64_t octets = 0;  // that were taken in
  bool asked_for = false;
  bool whole = false;  // its end came
};

// Method, target and fields, as they were sent.
[[nodiscard]] std::vector<people::ConversationLine> request_lines(const net::HttpRequest& request);
[[nodiscard]] people::ConversationLine body_line(CameBody body);
// The status; of a problem its code and its words, too. Of an answer that nobody was left to hear: that the line was cut.
[[nodiscard]] std::vector<people::ConversationLine> answer_lines(const net::HttpResponse& response);

}  // namespace latchkey::doors
