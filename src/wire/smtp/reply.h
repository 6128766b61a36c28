// Replies (RFC 5321 section 4.2) with enhanced status codes (RFC 3463). Values.
#pragma once

#include <string>

namespace latchkey::wire::smtp {

struct Reply {
  int code = 250;
  std::string status;  // "2.1.0"; empty: the reply has none (greeting, EHLO, 334, 354)
  std::string text;    // for a person at a device

  [[nodiscard]] bool is_positive() const { return code < 400; }
  friend bool operator==(const Reply&, const Reply&) = default;
};

// With line ends. Long texts become several lines, each at most 512 octets; control characters and what is not ASCII become
// "?": nothing in a text can begin another reply.
[[nodiscard]] std::string write(const Reply& reply);

}  // namespace latchkey::wire::smtp
