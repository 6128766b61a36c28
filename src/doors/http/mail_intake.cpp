#include "doors/http/mail_intake.h"

#include <variant>

#include "doors/http/content_disposition.h"
#include "doors/http/mail_form.h"
#include "wire/multipart.h"

namespace latchkey::doors {
namespace {

using wire::MultipartReader;

// What an event of the form adds to the message.
Result<std::string> octets_of(MailForm& form, const MultipartReader::Event& event) {
  if (const auto* part = std::get_if<MultipartReader::PartBegins>(&event)) {
    auto disposition = form_part_of(part->header("content-disposition"));
    if (!disposition) return std::unexpected(disposition.error());
    // A file input of a page that was left empty.
    if (disposition->file_name && disposition->file_name->empty()) disposition->file_name = "document";
    auto type = std::string(part->header("content-type"));
    return form.begin_part(disposition->name, std::move(disposition->file_name), type.substr(0, type.find(';')));
  }
  if (const auto* some = std::get_if<MultipartReader::PartOctets>(&event)) return form.octets(some->octets);
  if (const auto ended = form.end_part(); !ended) return std::unexpected(ended.error());
  return std::string();
}

}  // namespace

Task<Result<store::Delivery>> MailIntake::take_message(delivery::MailSubmission submission,
                                                       std::shared_ptr<net::HttpBody> body) {
  submission.size_bytes = body->stated_size();
  auto mail = co_await post_.open(std::move(submission));
  if (!mail) co_return std::unexpected(mail.error());
  for (;;) {
    const auto piece = co_await body->pull();
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) break;
    if (const auto taken = co_await (*mail)->append(std::string(base::as_text(*piece))); !taken)
      co_return std::unexpected(taken.error());
  }
  co_return co_await (*mail)->accept();
}

Task<Result<store::Delivery>> MailIntake::take_form(delivery::MailSubmission submission, std::string boundary,
                                                    std::shared_ptr<net::HttpBody> body) {
  auto message_boundary = post_.boundary_for(submission.idempotency_key);
  auto mail = co_await post_.open(std::move(submission));
  if (!mail) co_return std::unexpected(mail.error());
  MailForm form(std::move(message_boundary));
  MultipartReader reader(boundary);
  bool ended = false;
  for (;;) {
    const auto event = reader.next();
    if (!event) co_return std::unexpected(event.error());
    if (std::holds_alternative<MultipartReader::End>(*event)) ended = true;
    if (ended || std::holds_alternative<MultipartReader::NeedsMore>(*event)) {
      const auto piece = co_await body->pull();
      if (!piece) co_return std::unexpected(piece.error());
      if (piece->empty()) break;
      reader.feed(base::as_text(*piece));
      continue;
    }
    auto octets = octets_of(form, *event);
    if (!octets) co_return std::unexpected(octets.error());
    if (const auto taken = co_await (*mail)->append(std::move(*octets)); !taken) co_return std::unexpected(taken.error());
  }
  if (!ended) co_return fail(ErrorKind::invalid, "malformed_multipart", "The form ends before its last delimiter.");
  auto last = form.end();
  if (!last) co_return std::unexpected(last.error());
  if (const auto taken = co_await (*mail)->append(std::move(*last)); !taken) co_return std::unexpected(taken.error());
  co_return co_await (*mail)->accept();
}

}  // namespace latchkey::doors
