#include "doors/smtp/smtp_errors.h"

#include <gmock/gmock.h>

namespace latchkey::doors {
namespace {

using testing::HasSubstr;
using testing::Not;

// K9: what the store says names hosts, users and files; nobody at the door learns it, least of all before signing in.
TEST(SmtpErrors, K9_HideWhatTheStoreSays) {
  const std::string words = "The database db.internal (user latchkey) cannot be reached: password in /var/lib/secret.";
  for (const auto& [kind, reason] : {std::pair{ErrorKind::unavailable, "store_unavailable"}, std::pair{ErrorKind::misconfigured, "store_unavailable"},
                                     std::pair{ErrorKind::ambiguous, "commit_ambiguous"}, std::pair{ErrorKind::corrupt, "store_corrupt"},
                                     std::pair{ErrorKind::corrupt, "record_altered"}, std::pair{ErrorKind::bug, "whatever"}}) {
    const Error error{.kind = kind, .reason = reason, .text = words, .detail = words};
    const auto before = sign_in_reply_of(error);
    EXPECT_EQ(before.code, 454) << reason;
    const auto after = reply_of(error);
    EXPECT_EQ(after.code, 451) << reason;
    for (const auto* hidden : {"db.internal", "latchkey", "/var/lib"}) {
      EXPECT_THAT(before.text, Not(HasSubstr(hidden))) << reason;
      EXPECT_THAT(after.text, Not(HasSubstr(hidden))) << reason;
    }
  }
}

TEST(SmtpErrors, TellTheSenderWhatIsTheirs) {
  EXPECT_EQ(reply_of({.kind = ErrorKind::invalid, .reason = "bad_name", .text = "That is no name."}).text, "That is no name.");
  EXPECT_EQ(sign_in_reply_of({.kind = ErrorKind::refused, .reason = "invalid_credentials", .text = "Username or PIN is wrong."}).code, 535);
  EXPECT_EQ(sign_in_reply_of({.kind = ErrorKind::unavailable, .reason = "too_many_attempts", .text = "Later."}).text, "Later.");
}

}  // namespace
}  // namespace latchkey::doors
