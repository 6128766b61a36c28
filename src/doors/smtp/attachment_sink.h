// A mail to connectors: each of its documents becomes one delivery to each of them. A mail without attachments is delivered by its
// text, since some devices send what they have to say in no other way. A text behind the first one is a document too, unless it says
// the same in another form (multipart/alternative) or nothing at all.
//
// Invariants: nothing is acknowledged unless every document has come in whole; memory is one piece of the mail, its text where that
// may be the document (at most a megabyte), and the blank beginning of another text (likewise).
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "delivery/reception.h"
#include "doors/smtp/mail_sink.h"
#include "people/principal.h"
#include "wire/mime/mime_reader.h"

namespace latchkey::doors {

// Principals hold a PIN and do not copy by themselves.
[[nodiscard]] delivery::Submitter submitter_again(const people::Principal& principal);

// By id: what has been looked at for RCPT need not be looked at again for the first document.
using OpenedConnectors = std::map<std::string, std::unique_ptr<delivery::OpenedConnector>>;

class AttachmentSink final : public MailSink {
 public:
  // `reception` and `principal` outlive it.
  AttachmentSink(delivery::Reception& reception, const people::Principal& principal, std::vector<std::string> connectors,
                 std::string source, OpenedConnectors opened = {})
      : reception_(reception),
        principal_(principal),
        connectors_(std::move(connectors)),
        source_(std::move(source)),
        opened_(std::move(opened)) {}

  // Errors: those of Reception::open() and Incoming::append(); those of MimeReader; invalid/`mail_damaged`,
  // `unknown_encoding`.
  [[nodiscard]] Task<Result<void>> append(std::string octets) override;
  // Errors: those of append() and Reception::accept(); invalid/`no_document`; refused/`document_too_large`.
  [[nodiscard]] Task<Result<std::string>> accept() override;

 private:
  // text: the first that is not blank. further: another one, not known yet to be more than blank.
  enum class Part { none, document, text, further, passed_over };
  using Documents = std::vector<std::unique_ptr<delivery::Reception::Incoming>>;

  [[nodiscard]] Task<Result<void>> take(std::vector<wire::MimeEvent> events);
  [[nodiscard]] Task<Result<void>> take_one(wire::MimeEvent event);
  [[nodiscard]] Task<Result<void>> begin_part(wire::PartHead head);
  // Octets of the part under way.
  [[nodiscard]] Task<Result<void>> take_octets(Bytes octets);
  [[nodiscard]] Task<Result<void>> end_part(wire::PartEnding ending);
  [[nodiscard]] Task<Result<void>> open(std::string name, std::string content_type);
  [[nodiscard]] Task<Result<void>> pass_on(Bytes octets);

  delivery::Reception& reception_;
  const people::Principal& principal_;
  std::vector<std::string> connectors_;
  std::string source_;
  OpenedConnectors opened_;
  wire::MimeReader reader_;
  Part part_ = Part::none;
  wire::PartHead head_;       // of the text under way
  unsigned said_ = 0;         // the multipart/alternative of which a text has been taken
  bool has_attachment_ = false;
  Documents whole_;
  Documents coming_;  // of the part under way, one for each connector
  Bytes text_;
  wire::PartHead text_head_;
  Bytes blank_;  // how a further text begins
  bool text_too_long_ = false;
};

}  // namespace latchkey::doors
