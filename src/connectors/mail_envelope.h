// A mail's envelope (RFC 5321 section 2.3.1) as it goes along with the message: {"mail_from": "...", "recipients": ["..."]}.
// A value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace latchkey::connectors {

struct MailEnvelope {
  std::string mail_from;                // the account's own address, or an alias of it
  std::vector<std::string> recipients;  // at least one
  // SHA-256 in hex of what the sender sent, where a repetition of it may come; else empty. What goes on bears a Message-ID
  // and a Date of its own each time.
  std::string came_sha256{};
  friend bool operator==(const MailEnvelope&, const MailEnvelope&) = default;
};

[[nodiscard]] std::string fields_of(const MailEnvelope& envelope);
// Errors: invalid/`no_envelope` where a member is missing, empty or malformed.
[[nodiscard]] Result<MailEnvelope> envelope_in(std::string_view fields_json);

}  // namespace latchkey::connectors
