#include "doors/http/mail_form.h"

#include <array>
#include <utility>

#include "delivery/document_name.h"
#include "wire/mime/encoded_text.h"
#include "wire/mime/header_fields.h"

namespace latchkey::doors {
namespace {

constexpr std::size_t kFieldBytesMax = 64 * 1024;
constexpr std::size_t kTextBytesMax = 1024 * 1024;
constexpr std::array<std::string_view, 5> kFields{"to", "cc", "bcc", "subject", "text"};

std::unexpected<Error> bad_form(std::string text, std::string_view field) {
  return fail(ErrorKind::invalid, "bad_mail_form", std::move(text), {.field = std::string(field)});
}

std::string joined(const std::vector<wire::Mailbox>& boxes) {
  std::string out;
  for (const auto& box : boxes) out += (out.empty() ? "" : ", ") + wire::write_mailbox(box);
  return out;
}

}  // namespace

MailForm::MailForm(std::string boundary) { fields_.boundary = std::move(boundary); }

Result<std::string> MailForm::begin_part(std::string_view field, std::optional<std::string> file_name,
                                         std::string_view content_type) {
  field_.clear();
  value_.clear();
  if (file_name) {
    if (const auto good = delivery::check_name(*file_name); !good) return std::unexpected(good.error());
    auto message = begin_message();
    if (message) *message += builder_->begin_file(*file_name, content_type);
    return message;
  }
  bool known = false;
  for (const auto one : kFields) known = known || one == field;
  if (!known) return bad_form("A mail's form has the fields to, cc, bcc, subject and text, and files.", field);
  if (builder_) return bad_form("Fields come before files: what has been sent cannot be changed.", field);
  const auto mark = " " + std::string(field) + " ";
  if (seen_.contains(mark)) return bad_form("The field came twice. Several addresses are separated by commas.", field);
  seen_ += mark;
  field_ = field;
  return std::string();
}

Result<std::string> MailForm::octets(std::string_view octets) {
  if (field_.empty()) return builder_->file_octets(base::as_bytes(octets));
  if (value_.size() + octets.size() > (field_ == "text" ? kTextBytesMax : kFieldBytesMax))
    return bad_form("The field is too long.", field_);
  value_ += octets;
  return std::string();
}

Result<void> MailForm::end_part() {
  if (field_.empty()) return {};
  if (!wire::is_utf8(value_)) return bad_form("Fields are UTF-8.", field_);
  if (field_ == "to") return take_addresses(fields_.to);
  if (field_ == "cc") return take_addresses(fields_.cc);
  if (field_ == "bcc") return take_addresses(bcc_);
  (field_ == "subject" ? fields_.subject : fields_.text) = std::move(value_);
  value_.clear();
  return {};
}

Result<void> MailForm::take_addresses(std::vector<wire::Mailbox>& into) {
  into = wire::parse_mailboxes(value_);
  if (into.empty() && value_.find_first_not_of(" \t\r\n") != std::string::npos)
    return bad_form("The addresses cannot be read: name@domain, separated by commas.", field_);
  return {};
}

Result<std::string> MailForm::begin_message() {
  if (builder_) return std::string();
  if (fields_.to.empty() && fields_.cc.empty() && bcc_.empty())
    return fail(ErrorKind::invalid, "no_recipients",
                "The mail names nobody it should go to: a field to, cc or bcc, before files.", {.field = "to"});
  builder_.emplace(fields_);
  return (bcc_.empty() ? std::string() : wire::write_field("Bcc", joined(bcc_))) + builder_->begin();
}

Result<std::string> MailForm::end() {
  auto message = begin_message();
  if (message) *message += builder_->end();
  return message;
}

}  // namespace latchkey::doors
