// A form that says a mail (to, cc, bcc, subject, text as fields, files behind them) made into a message as it arrives. Pure.
//
// Its parts come as begin_part(), octets(), end_part(); what each returns, in order, and end(), is the message. It names no
// sender, and carries Bcc: whoever takes it in (delivery::MailPost) reads the recipients, removes Bcc and puts the account's
// address in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/mime/mail_builder.h"

namespace latchkey::doors {

class MailForm {
 public:
  // `boundary` as MailFields has it. `date` and `message_id` may be empty: whoever takes the message in adds them.
  explicit MailForm(std::string boundary);

  // `field`: the part's name; `file_name`: of a file. Errors: invalid/`bad_mail_form` for a field that is not known, comes
  // twice, or comes behind a file; invalid/`bad_name` for a file name that is none.
  [[nodiscard]] Result<std::string> begin_part(std::string_view field, std::optional<std::string> file_name,
                                               std::string_view content_type);
  // Errors: invalid/`bad_mail_form` for a field that is too long (text 1 MiB, others 64 KiB).
  [[nodiscard]] Result<std::string> octets(std::string_view octets);
  // Errors: invalid/`bad_mail_form` for addresses that cannot be read, and text that is not UTF-8.
  [[nodiscard]] Result<void> end_part();
  // Errors: invalid/`no_recipients`.
  [[nodiscard]] Result<std::string> end();

 private:
  [[nodiscard]] Result<std::string> begin_message();
  [[nodiscard]] Result<void> take_addresses(std::vector<wire::Mailbox>& into);

  wire::MailFields fields_;
  std::vector<wire::Mailbox> bcc_;
  std::optional<wire::MailBuilder> builder_;  // from the first file on
  std::string field_;                         // the field that is coming in; empty: a file
  std::string value_;
  std::string seen_;  // " to subject "
};

}  // namespace latchkey::doors
