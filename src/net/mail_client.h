// Outgoing mail to the one relay an operator names: for notices. Not a mail server's queue.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"

namespace latchkey::net {

enum class MailSecurity {
  starttls,  // TLS after the greeting, or nothing is sent
  tls,       // from the first octet
  none,      // in clear; a password is then sent to loopback only
};

// A value that moves.
struct MailCall {
  std::string host;
  std::uint16_t port = 587;
  MailSecurity security = MailSecurity::starttls;
  std::string user;  // empty: no sign-in
  Secret password;
  std::string from;  // envelope addresses, without angle brackets
  std::vector<std::string> to;
  std::string message;  // RFC 5322, lines ending in CRLF
  Milliseconds total_timeout{15'000};
};

// What the relay took.
struct MailTaken {
  std::string refused;  // recipients it did not take while it took others, each with its words; empty: none
};

// May be called from any executor; the caller resumes on its own.
class MailClient {
 public:
  virtual ~MailClient() = default;
  // The relay has taken it for one recipient at least. Errors: unavailable (network, or the relay says later), misconfigured
  // (address policy, certificate, sign-in refused, every address refused), each saying what the relay said.
  [[nodiscard]] virtual Task<Result<MailTaken>> send(MailCall call) = 0;
};

}  // namespace latchkey::net
