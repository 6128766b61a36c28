#include "doors/smtp/attachment_sink.h"

#include <algorithm>
#include <iterator>

namespace latchkey::doors {
namespace {

constexpr std::size_t kTextBytesMax = 1 << 20;
constexpr std::size_t kDocumentsMax = 200;  // attachments times connectors

std::unexpected<Error> damaged() {
  return fail(ErrorKind::invalid, "mail_damaged", "An attachment did not come in whole, so nothing was accepted. Send the mail again.");
}

std::unexpected<Error> unknown_encoding() {
  return fail(ErrorKind::invalid, "unknown_encoding",
              "An attachment is encoded in a way that is not understood here, so nothing was accepted. Let the device send it in base64.");
}

bool is_blank(const Bytes& text) {
  return std::ranges::all_of(text, [](std::uint8_t octet) { return octet == ' ' || (octet >= '\t' && octet <= '\r'); });
}

}  // namespace

delivery::Submitter submitter_again(const people::Principal& principal) {
  if (const auto* user = std::get_if<people::Admitted>(&principal)) {
    return grants::Caller{.user = user->user, .auth_epoch = user->auth_epoch, .pin = user->pin.clone()};
  }
  return std::get<people::AdmittedDevice>(principal);
}

Task<Result<void>> AttachmentSink::append(std::string octets) {
  auto events = reader_.feed(octets);
  if (!events) co_return std::unexpected(events.error());
  co_return co_await take(std::move(*events));
}

Task<Result<void>> AttachmentSink::take(std::vector<wire::MimeEvent> events) {
  for (auto& event : events) {
    if (const auto done = co_await take_one(std::move(event)); !done) co_return done;
  }
  co_return Result<void>{};
}

Task<Result<void>> AttachmentSink::take_one(wire::MimeEvent event) {
  if (auto* begins = std::get_if<wire::PartBegins>(&event)) co_return co_await begin_part(std::move(begins->head));
  if (auto* octets = std::get_if<wire::PartOctets>(&event)) co_return co_await take_octets(std::move(octets->octets));
  co_return co_await end_part(std::get<wire::PartEnds>(event).ending);
}

Task<Result<void>> AttachmentSink::begin_part(wire::PartHead head) {
  if (head.is_document()) {
    if (!head.encoding_known) co_return unknown_encoding();
    part_ = Part::document;
    has_attachment_ = true;
    co_return co_await open(std::move(head.file_name), std::move(head.type));
  }
  head_ = std::move(head);
  if (head_.alternative != 0 && head_.alternative == said_) {
    part_ = Part::passed_over;
  } else if (is_blank(text_) && !text_too_long_) {
    part_ = Part::text;
    text_.clear();
    text_head_ = head_;
  } else {
    part_ = Part::further;
    blank_.clear();
  }
  co_return Result<void>{};
}

Task<Result<void>> AttachmentSink::take_octets(Bytes octets) {
  if (part_ == Part::document) co_return co_await pass_on(std::move(octets));
  if (part_ == Part::text && !text_too_long_) {
    text_too_long_ = text_.size() + octets.size() > kTextBytesMax;
    if (text_too_long_) text_ = Bytes();
    else text_.insert(text_.end(), octets.begin(), octets.end());
  }
  if (part_ != Part::further) co_return Result<void>{};
  const bool begins = !is_blank(octets) || blank_.size() + octets.size() > kTextBytesMax;
  blank_.insert(blank_.end(), octets.begin(), octets.end());
  if (!begins) co_return Result<void>{};
  if (!head_.encoding_known) co_return unknown_encoding();
  part_ = Part::document;
  said_ = head_.alternative;
  if (const auto opened = co_await open({}, std::move(head_.type)); !opened) co_return opened;
  co_return co_await pass_on(std::exchange(blank_, {}));
}

Task<Result<void>> AttachmentSink::end_part(wire::PartEnding ending) {
  if (ending != wire::PartEnding::whole) co_return damaged();
  const auto part = std::exchange(part_, Part::none);
  if (part == Part::text && (text_too_long_ || !is_blank(text_))) said_ = text_head_.alternative;
  if (part != Part::document) co_return Result<void>{};
  for (const auto& one : coming_) {
    if (const auto done = co_await one->complete(); !done) co_return done;
  }
  std::ranges::move(coming_, std::back_inserter(whole_));
  coming_.clear();
  co_return Result<void>{};
}

Task<Result<void>> AttachmentSink::open(std::string name, std::string content_type) {
  if (whole_.size() + connectors_.size() > kDocumentsMax)
    co_return fail(ErrorKind::refused, "too_many_documents", "The mail holds more attachments than one mail may bring. Send them in several mails.");
  for (const auto& connector : connectors_) {
    delivery::Submission submission{.submitter = submitter_again(principal_),
                                    .connector = connector,
                                    .name = name,
                                    .content_type = content_type,
                                    .source = source_};
    if (!coming_.empty()) submission.place = coming_.front()->place();
    else if (!whole_.empty()) submission.place = whole_.front()->place();
    if (const auto found = opened_.find(connector); found != opened_.end()) submission.opened = std::move(found->second);
    auto incoming = co_await reception_.open(std::move(submission));
    if (!incoming) co_return std::unexpected(incoming.error());
    coming_.push_back(std::move(*incoming));
  }
  co_return Result<void>{};
}

Task<Result<void>> AttachmentSink::pass_on(Bytes octets) {
  for (std::size_t i = 0; i < coming_.size(); ++i) {
    Bytes piece;
    if (i + 1 < coming_.size()) piece = octets;
    else piece = std::move(octets);
    if (const auto taken = co_await coming_[i]->append(std::move(piece)); !taken) co_return taken;
  }
  co_return Result<void>{};
}

Task<Result<std::string>> AttachmentSink::accept() {
  auto events = reader_.finish();
  if (!events) co_return std::unexpected(events.error());
  if (const auto done = co_await take(std::move(*events)); !done) co_return std::unexpected(done.error());
  if (!has_attachment_) {
    if (text_too_long_)
      co_return fail(ErrorKind::refused, "document_too_large", "The mail has no attachment, and its text is longer than a document of text may be here. Attach it as a file.");
    if (is_blank(text_)) co_return fail(ErrorKind::invalid, "no_document", "The mail holds neither an attachment nor text: there is nothing to deliver.");
    if (!text_head_.encoding_known) co_return unknown_encoding();
    if (const auto opened = co_await open({}, std::move(text_head_.type)); !opened) co_return std::unexpected(opened.error());
    if (const auto taken = co_await pass_on(std::move(text_)); !taken) co_return std::unexpected(taken.error());
    std::ranges::move(whole_, std::back_inserter(coming_));
    whole_ = std::exchange(coming_, {});
  }
  auto accepted = co_await reception_.accept(std::move(whole_));
  if (!accepted) co_return std::unexpected(accepted.error());
  std::string words = accepted->size() == 1 ? "Accepted as " : "Accepted as " + std::to_string(accepted->size()) + " documents, the first ";
  co_return words + accepted->front().id.text();
}

}  // namespace latchkey::doors
