// A device's mail made into one that its account may send (RULES G2, SCENARIOS D6): the header block is rewritten, the body
// goes through with its line ends made CRLF. A stream: octets in, octets out; memory is bounded by the header block.
//
// What happens to the header:
//   From                       the account's address, or the listed alias that the device named; its display name stays,
//   unless it
//                              poses as an address. A second From goes.
//   Reply-To                   the device's From, where its domain is the account's and it named no Reply-To
//   Sender, Resent-*, Return-Path, X-MS-Exchange-*, Bcc     go; the recipients in Bcc are told
//   Date, Message-ID           are added where they are missing or empty; MIME-Version where other MIME fields are
//   8-bit octets               become encoded words (RFC 2047); what is not UTF-8 is taken for windows-1252
//   lines                      are folded at 78 where they can be, and never exceed 998 (RFC 5322 section 2.1.1)
//   To                         "undisclosed-recipients:;" where neither To nor Cc is left (RFC 5322 section 3.6.3)
//   bare CR, NUL               blanks: nothing in a field can begin another
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/mime/header_fields.h"
#include "wire/mime/mail_address.h"

namespace latchkey::wire {

// What the repair needs to know. A value.
struct MailIdentity {
  std::string address;               // of the account: "scans@office.example"
  std::vector<std::string> aliases;  // addresses that an administrator listed: they may stand in From
  std::string date;                  // RFC 5322 section 3.3, used where the device named none
  std::string message_id;            // with brackets, used where the device named none
};

// What the header said before it was repaired.
struct MailFacts {
  std::vector<std::string> recipients;  // addresses in To, Cc and Bcc, each once, in order
  std::string from;                     // the address that stands in From now
  std::string subject;                  // decoded
};

// A resource.
class MailRepair {
 public:
  explicit MailRepair(MailIdentity identity, std::size_t header_bytes_max = 128 * 1024);

  // The octets that may go on. Errors: refused/`mail_header_too_long`.
  [[nodiscard]] Result<std::string> feed(std::string_view octets);
  [[nodiscard]] Result<std::string> finish();

  // The header block has been read: facts() is complete.
  [[nodiscard]] bool header_is_done() const { return in_body_; }
  [[nodiscard]] const MailFacts& facts() const { return facts_; }

 private:
  void take_line(std::string_view whole, std::string& out);
  void end_header(std::string& out);
  void note_recipients(const std::vector<std::vector<Mailbox>>& lists);
  void write_from(Mailbox device, std::vector<Mailbox> reply_to, std::string& out);
  void pass_body(std::string_view octets, std::string& out);

  MailIdentity identity_;
  std::size_t header_bytes_max_;
  std::size_t header_bytes_ = 0;
  HeaderGatherer header_;
  MailFacts facts_;
  std::string line_;  // of the header, not ended yet
  bool in_body_ = false;
  std::size_t returns_ = 0;  // CRs at the end of what came of the body; at most two
};

}  // namespace latchkey::wire
