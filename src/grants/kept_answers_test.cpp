#include "grants/kept_answers.h"

#include <gtest/gtest.h>

#include <string>

namespace latchkey::grants {
namespace {

TEST(KeptAnswers, S4_OnlyAnErrorThatSaysSoMeansThatNothingIsKept) {
  for (const std::string reason : {"app_unknown", "type_unknown", "type_not_enrolled", "not_exchanged", "host_not_allowed", "token_endpoint_unknown",
                                   "not_enrolled", "token_request_refused", "refresh_token_foreign"}) {
    EXPECT_FALSE(may_be_kept({.reason = "cloud_" + reason})) << reason;
  }
  EXPECT_FALSE(may_be_kept({.kind = ErrorKind::unavailable, .reason = "provider_unreachable"})) << "the service has looked, and has sent nothing";
  for (const std::string reason : {"service_unreachable", "clock_differs", "request_repeated", "signature_wrong", "signature_malformed", "enrolment_revoked",
                                   "too_many_exchanges", "exchange_elsewhere", "exchanges_nothing", "answer_malformed", "store_unavailable", "something_new"}) {
    EXPECT_TRUE(may_be_kept({.reason = "cloud_" + reason})) << reason;
  }
}

}  // namespace
}  // namespace latchkey::grants
