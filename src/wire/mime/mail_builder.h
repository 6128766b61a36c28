// A message made from fields and files, for programs that have no mail of their own to hand over (the HTTP door). A stream:
// the head, then each file's octets, then the end; memory is one line of base64. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/mime/mail_address.h"

namespace latchkey::wire {

// What the message says; `from`, `date` and `message_id` may be empty where a MailRepair adds them. Bcc is part of the envelope alone.
struct MailFields {
  Mailbox from;
  std::vector<Mailbox> to;
  std::vector<Mailbox> cc;
  std::vector<Mailbox> reply_to;
  std::string subject;     // UTF-8
  std::string text;        // UTF-8; may be empty
  std::string date;        // RFC 5322 section 3.3
  std::string message_id;  // with brackets
  std::string boundary;    // 1 to 60 letters and digits nobody can foresee, so that no file holds it
};

// begin(), then for each file begin_file(), file_octets()... and so on, then end(): what each returns, in order, is the
// message. No control character of a field, a name or a type reaches a header. A resource.
class MailBuilder {
 public:
  explicit MailBuilder(MailFields fields) : fields_(std::move(fields)) {}

  [[nodiscard]] std::string begin();
  // `name` UTF-8, checked by the caller; `content_type` empty or malformed: application/octet-stream.
  [[nodiscard]] std::string begin_file(std::string_view name, std::string_view content_type);
  [[nodiscard]] std::string file_octets(ByteView octets);
  [[nodiscard]] std::string end();

 private:
  [[nodiscard]] std::string end_file();

  MailFields fields_;
  Bytes line_;  // fewer than 57 octets: a line of base64 that is not full
  bool in_file_ = false;
};

// RFC 5322 section 3.3, UTC: "Sat, 28 Nov 2026 03:40:00 +0000". `unix_seconds` since 1970.
[[nodiscard]] std::string mail_date(std::int64_t unix_seconds);

}  // namespace latchkey::wire
