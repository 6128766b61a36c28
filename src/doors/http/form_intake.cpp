#include "doors/http/form_intake.h"

#include "base/json.h"
#include "doors/http/content_disposition.h"

namespace latchkey::doors {
namespace {

using wire::MultipartReader;

constexpr std::size_t kFieldBytesMax = 16 * 1024;  // of all names and values
constexpr std::size_t kFieldsMax = 50;
constexpr std::size_t kDocumentsMax = 100;

std::unexpected<Error> wrong(const char* reason, const char* text) { return fail(ErrorKind::invalid, reason, text); }

delivery::Submitter copy_of(const delivery::Submitter& submitter) {
  if (const auto* caller = std::get_if<grants::Caller>(&submitter))
    return grants::Caller{.user = caller->user, .auth_epoch = caller->auth_epoch, .pin = caller->pin.clone()};
  if (const auto* device = std::get_if<people::AdmittedDevice>(&submitter)) return *device;
  return delivery::DropFolder{};
}

// The media type alone, in lower case.
std::string media_type_of(std::string_view field) {
  net::HttpRequest as_request;
  (void)as_request.headers.add("Content-Type", field);
  return as_request.content_type();
}

}  // namespace

FormIntake::FormIntake(delivery::Reception& reception, delivery::Submission common, std::string boundary)
    : reception_(reception), common_(std::move(common)), reader_(boundary) {}

Task<Result<FormIntake::Documents>> FormIntake::take(std::shared_ptr<net::HttpBody> body) {
  bool ended = false;
  for (;;) {
    auto event = reader_.next();
    if (!event) co_return std::unexpected(event.error());
    if (std::holds_alternative<MultipartReader::End>(*event)) ended = true;
    if (ended || std::holds_alternative<MultipartReader::NeedsMore>(*event)) {
      const auto piece = co_await body->pull();
      if (!piece) co_return std::unexpected(piece.error());
      if (piece->empty()) break;
      reader_.feed(base::as_text(*piece));
      continue;
    }
    if (const auto done = co_await take_event(std::move(*event)); !done) co_return std::unexpected(done.error());
  }
  if (!ended) co_return wrong("malformed_multipart", "The form ends before its last delimiter.");
  if (documents_.empty()) co_return wrong("no_document", "The form carries no file.");
  co_return std::move(documents_);
}

Task<Result<void>> FormIntake::take_event(MultipartReader::Event event) {
  if (auto* part = std::get_if<MultipartReader::PartBegins>(&event)) co_return co_await begin_part(std::move(*part));
  if (const auto* some = std::get_if<MultipartReader::PartOctets>(&event)) {
    const auto octets = base::as_bytes(some->octets);
    co_return co_await take_octets(Bytes(octets.begin(), octets.end()));
  }
  co_return co_await end_part();
}

Task<Result<void>> FormIntake::begin_part(MultipartReader::PartBegins part) {
  const auto disposition = form_part_of(part.header("content-disposition"));
  if (!disposition) co_return std::unexpected(disposition.error());
  const auto encoding = part.header("content-transfer-encoding");
  if (!encoding.empty() && encoding != "binary" && encoding != "8bit" && encoding != "7bit")
    co_return wrong("malformed_multipart",
                    "Send the parts of the form as they are: no Content-Transfer-Encoding is understood here.");
  if (disposition->file_name)
    co_return co_await begin_document(*disposition->file_name, media_type_of(part.header("content-type")));
  if (!documents_.empty())
    co_return wrong("fields_after_files", "Put the form's fields before its files: they hold for all of them.");
  if (fields_.size() >= kFieldsMax) co_return wrong("too_many_fields", "The form has too many fields.");
  field_name_ = disposition->name;
  field_value_.clear();
  field_bytes_ += field_name_.size();
  inside_ = Inside::field;
  co_return Result<void>{};
}

// A file input of a page that was left empty has neither name nor octets: it is no document.
Task<Result<void>> FormIntake::begin_document(std::string name, std::string content_type) {
  inside_ = Inside::document;
  if (!name.empty()) co_return co_await open_document(std::move(name), std::move(content_type));
  unnamed_type_ = std::move(content_type);
  co_return Result<void>{};
}

Task<Result<void>> FormIntake::open_document(std::string name, std::string content_type) {
  if (documents_.size() >= kDocumentsMax) co_return wrong("too_many_documents", "The form carries too many files.");
  delivery::Submission submission{.submitter = copy_of(common_.submitter),
                                  .connector = common_.connector,
                                  .name = name,
                                  .content_type = content_type == "application/octet-stream" ? std::string() : content_type,
                                  .source = common_.source};
  submission.fields_json = boost::json::serialize(fields_);
  if (!common_.idempotency_key.empty()) {
    // Each has a key of its own, by its place in the form; a space occurs in no key that a client may send.
    submission.idempotency_key = common_.idempotency_key;
    if (!documents_.empty()) submission.idempotency_key += " " + std::to_string(documents_.size() + 1);
  }
  if (!documents_.empty()) {
    // However long the first one took: its PIN need not be remembered here any more.
    submission.place = documents_.front()->place();
    submission.opened = documents_.front()->opened_for_another();
  }
  auto incoming = co_await reception_.open(std::move(submission));
  if (!incoming) co_return std::unexpected(incoming.error());
  documents_.push_back(std::move(*incoming));
  co_return Result<void>{};
}

Task<Result<void>> FormIntake::take_octets(Bytes octets) {
  if (inside_ == Inside::document) {
    if (auto type = std::exchange(unnamed_type_, std::nullopt)) {
      if (const auto opened = co_await open_document({}, std::move(*type)); !opened) co_return opened;
    }
    co_return co_await documents_.back()->append(std::move(octets));
  }
  field_bytes_ += octets.size();
  if (field_bytes_ > kFieldBytesMax) co_return wrong("too_many_fields", "The fields of the form are too long.");
  field_value_ += base::as_text(octets);
  co_return Result<void>{};
}

Task<Result<void>> FormIntake::end_part() {
  const auto was = std::exchange(inside_, Inside::nothing);
  if (was == Inside::document) {
    if (std::exchange(unnamed_type_, std::nullopt)) co_return Result<void>{};
    co_return co_await documents_.back()->complete();
  }
  if (was == Inside::field) {
    fields_[field_name_] = field_value_;
    if (!parse_json(boost::json::serialize(fields_)))
      co_return wrong("malformed_multipart", "A field of the form is no UTF-8.");
  }
  co_return Result<void>{};
}

}  // namespace latchkey::doors
