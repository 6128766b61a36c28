// Where a mail goes that comes in at the SMTP door. Octets in, one acknowledgement out: all of it, or nothing is kept.
#pragma once

#include <string>

#include "base/result.h"
#include "base/task.h"

namespace latchkey::doors {

class MailSink {
 public:
  virtual ~MailSink() = default;
  // The message in pieces of any size. After an error nothing more is appended.
  [[nodiscard]] virtual Task<Result<void>> append(std::string octets) = 0;
  // Everything is durable when it answers: with what to tell the sender.
  [[nodiscard]] virtual Task<Result<std::string>> accept() = 0;
};

}  // namespace latchkey::doors
