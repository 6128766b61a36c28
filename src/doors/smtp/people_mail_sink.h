// A mail to people: it goes as it was repaired through the sender's own mailbox (delivery::MailPost). Used by one task.
#pragma once

#include <memory>

#include "delivery/mail_post.h"
#include "doors/smtp/mail_sink.h"

namespace latchkey::doors {

class PeopleMailSink final : public MailSink {
 public:
  // `submission` names the envelope's recipients. The post outlives it.
  PeopleMailSink(delivery::MailPost& post, delivery::MailSubmission submission)
      : post_(post), submission_(std::move(submission)) {}

  // Errors: those of MailPost::open() with the first octets, and of IncomingMail::append().
  [[nodiscard]] Task<Result<void>> append(std::string octets) override;
  // Errors: those of IncomingMail::accept().
  [[nodiscard]] Task<Result<std::string>> accept() override;

 private:
  [[nodiscard]] Task<Result<void>> open();

  delivery::MailPost& post_;
  delivery::MailSubmission submission_;
  std::unique_ptr<delivery::IncomingMail> mail_;  // from the first octets on
};

}  // namespace latchkey::doors
