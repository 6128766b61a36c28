#include "doors/http/door_request.h"

#include <gmock/gmock.h>

namespace latchkey::doors {
namespace {

using testing::HasSubstr;
using testing::Not;

// K9: what the store and the disk say names hosts, users and folders; who submits a document learns none of it.
TEST(DoorRequest, HidesWhatStoreAndDiskSay) {
  const std::string words = "connection to db.internal (user latchkey) at /var/lib/secret failed";
  for (const auto& [kind, reason, status] :
       {std::tuple{ErrorKind::unavailable, "store_unavailable", 503},
        std::tuple{ErrorKind::ambiguous, "commit_ambiguous", 503}, std::tuple{ErrorKind::corrupt, "store_corrupt", 500},
        std::tuple{ErrorKind::corrupt, "record_altered", 500}, std::tuple{ErrorKind::bug, "whatever", 500}}) {
    const auto answer = problem_of({.kind = kind, .reason = reason, .text = words, .detail = words, .field = "password"});
    EXPECT_EQ(answer.status, status) << reason;
    for (const auto* hidden : {"db.internal", "latchkey)", "/var/lib", "password"})
      EXPECT_THAT(answer.body, Not(HasSubstr(hidden))) << reason;
  }
}

TEST(DoorRequest, TellsTheCallerWhatIsTheirs) {
  const auto answer =
      problem_of({.kind = ErrorKind::invalid, .reason = "bad_name", .text = "That is no name.", .field = "filename"});
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("That is no name."));
  EXPECT_THAT(answer.body, HasSubstr("filename"));
}

// A client that is told 401 forgets the PIN, or asks a person for another one.
TEST(DoorRequest, OnlyWrongCredentialsAreAnsweredAsSuch) {
  for (const auto& [reason, status] :
       {std::pair{"invalid_credentials", 401}, std::pair{"use_not_allowed", 403}, std::pair{"target_refused", 502},
        std::pair{"too_large_for_target", 502}, std::pair{"whatever_else", 403}}) {
    const auto answer = problem_of({.kind = ErrorKind::refused, .reason = reason, .text = "No."});
    EXPECT_EQ(answer.status, status) << reason;
    EXPECT_EQ(answer.headers.contains("WWW-Authenticate"), status == 401) << reason;
    EXPECT_THAT(answer.body, HasSubstr("No."));
  }
}

TEST(DoorRequest, WhoComesTooOftenIsToldWhenToComeBack) {
  for (const auto& [reason, status] : {std::pair{"too_many_uploads", 503}, std::pair{"too_many_uploads_of_one", 429},
                                       std::pair{"too_many_downloads_of_one", 429}}) {
    const auto answer =
        problem_of({.kind = ErrorKind::unavailable, .reason = reason, .text = "Later.", .retry_after = Seconds(10)});
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.headers.value_or("Retry-After"), "10");
  }
}

}  // namespace
}  // namespace latchkey::doors
