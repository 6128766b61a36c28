// Commands (RFC 5321 section 4.1) as devices really write them, and their arguments. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "wire/smtp/reply.h"

namespace latchkey::wire::smtp {

enum class Verb { helo, ehlo, starttls, auth, mail, rcpt, data, bdat, rset, noop, vrfy, expn, help, quit, unknown };

// A value. `argument` is without blanks at its ends.
struct Command {
  Verb verb = Verb::unknown;
  std::string argument;
};
[[nodiscard]] Command parse_command(std::string_view line);

enum class BodyType { seven_bit, eight_bit };

struct MailArgument {
  std::string address;                      // empty: the null path
  std::optional<std::uint64_t> size_bytes;  // SIZE (RFC 1870)
  BodyType body = BodyType::seven_bit;      // BODY (RFC 6152)
  bool utf8 = false;                        // SMTPUTF8 (RFC 6531)
};

// "FROM:<a@b> SIZE=1". Blanks round the path, a path without brackets and source routes are taken as what they mean. On
// error the reply to give: 501 for what cannot be read, 555 for parameters that nobody announced.
[[nodiscard]] std::expected<MailArgument, Reply> parse_mail(std::string_view argument);
// "TO:<a@b>": the address.
[[nodiscard]] std::expected<std::string, Reply> parse_rcpt(std::string_view argument);

// "BDAT 123 LAST" (RFC 3030).
struct ChunkArgument {
  std::uint64_t size_bytes = 0;
  bool last = false;
};
[[nodiscard]] std::optional<ChunkArgument> parse_bdat(std::string_view argument);

}  // namespace latchkey::wire::smtp
