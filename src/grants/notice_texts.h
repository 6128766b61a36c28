// How a notice looks: as a mail, as a webhook's post. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "grants/notice_book.h"

namespace latchkey::grants {

// The mail a notice is sent as: RFC 5322, UTF-8, lines ending in CRLF.
struct NoticeMail {
  std::string from;
  std::vector<std::string> to;
  std::string public_url;
  std::string message_id;
  WallTime now;
};
// Headers and body of any mail; `text` with lines ending in LF.
enum class Importance { normal, high };
[[nodiscard]] std::string mail_message(std::string_view subject, std::string_view text, const NoticeMail& mail, Importance importance);
[[nodiscard]] std::string mail_text(const Notice& notice, const NoticeMail& mail);
// The body a webhook is sent.
[[nodiscard]] std::string webhook_body(const Notice& notice, const std::string& public_url, const std::string& id, WallTime now);
// `v1=` and the hex of HMAC-SHA-256 over `TIMESTAMP.BODY`, TIMESTAMP being seconds since 1970.
[[nodiscard]] std::string webhook_signature(const Secret& secret, std::int64_t timestamp, std::string_view body);

}  // namespace latchkey::grants
