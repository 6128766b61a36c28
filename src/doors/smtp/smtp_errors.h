// The one place where errors become SMTP replies (RFC 5321 section 4.2.2, RFC 3463): 4xx where a later try helps by itself,
// 5xx where somebody must change something.
#pragma once

#include "base/result.h"
#include "wire/smtp/reply.h"

namespace latchkey::doors {

[[nodiscard]] wire::smtp::Reply reply_of(const Error& error);
// Of a refused sign-in: 535 for whatever must not be told apart (RULES T5).
[[nodiscard]] wire::smtp::Reply sign_in_reply_of(const Error& error);

}  // namespace latchkey::doors
