// Mail through the HTTP door: a message (message/rfc822) as the body, or a form that says one (mail_form.h). Streamed.
#pragma once

#include <memory>
#include <string>

#include "delivery/mail_post.h"
#include "net/http_server.h"

namespace latchkey::doors {

// Thread-safe.
class MailIntake {
 public:
  explicit MailIntake(delivery::MailPost& post) : post_(post) {}

  // Whether what is handed to this connector is mail. Errors: those of the store.
  [[nodiscard]] Task<Result<bool>> is_for(std::string connector) { return post_.carries_mail(std::move(connector)); }
  // The message as it stands in the body; its recipients are those of To, Cc and Bcc. Errors: those of HttpBody::pull() and
  // of delivery::MailPost.
  [[nodiscard]] Task<Result<store::Delivery>> take_message(delivery::MailSubmission submission,
                                                           std::shared_ptr<net::HttpBody> body);
  // Errors besides: invalid/`malformed_multipart` and those of MailForm.
  [[nodiscard]] Task<Result<store::Delivery>> take_form(delivery::MailSubmission submission, std::string boundary,
                                                        std::shared_ptr<net::HttpBody> body);

 private:
  delivery::MailPost& post_;
};

}  // namespace latchkey::doors
