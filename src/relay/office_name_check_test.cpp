#include "relay/office_name_check.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/fakes_testing.h"
#include "cloud/office_name.h"

namespace latchkey::relay {
namespace {

// The web as one answer, and what was asked.
class OneAnswer final : public net::HttpTransport {
 public:
  explicit OneAnswer(net::HttpOutcome answer) : answer_(std::move(answer)) {}
  [[nodiscard]] Task<net::HttpOutcome> send(net::HttpCall call) override {
    asked = call.method + " " + call.url;
    co_return answer_;
  }
  std::string asked;

 private:
  net::HttpOutcome answer_;
};

class OfficeName : public testing::Test {
 protected:
  Result<std::string> verify(net::HttpOutcome answer, std::string origin = "https://north.example") {
    OneAnswer transport(std::move(answer));
    boost::asio::io_context loop;
    base::SimulatedSteadyClock steady;
    auto name = base::run_on_loop(loop, steady, verify_office_name(transport, office, std::move(origin)));
    asked = transport.asked;
    return name;
  }
  static net::Reply shows(std::string_view body, int status = 200) {
    return {.status = status, .headers = {}, .body = base::to_bytes(body)};
  }
  static std::string reason(const Result<std::string>& result) { return result ? "" : result.error().reason; }

  base::SeededEntropy entropy{3};
  Enrolment office{.office = "office-1",
                   .name = "North Ltd",
                   .keys = cloud::PartyKeys::make(entropy).public_half(),
                   .types = {},
                   .return_origins = {}};
  std::string asked;
};

TEST_F(OfficeName, S1_IsItsOwnWhereTheOfficesEnrolmentAndKeysAreShown) {
  const auto proof = cloud::office_name_proof("office-1", office.keys);
  const auto name = verify(shows(proof));
  ASSERT_TRUE(name) << name.error().text;
  EXPECT_EQ(*name, "north.example");
  EXPECT_EQ(asked, "GET https://north.example/.well-known/latchkey-office");
  EXPECT_EQ(*verify(shows(proof), "https://north.example:8443"), "north.example:8443") << "another port may be another's";
}

TEST_F(OfficeName, S1_IsNotProvenByAnythingElse) {
  const auto others = cloud::PartyKeys::make(entropy).public_half();
  EXPECT_EQ(reason(verify(shows(cloud::office_name_proof("office-2", office.keys)))), "name_not_proven");
  EXPECT_EQ(reason(verify(shows(cloud::office_name_proof("office-1", others)))), "name_not_proven");
  EXPECT_EQ(reason(verify(shows(cloud::office_name_proof("office-1", office.keys) + "x"))), "name_not_proven");
  EXPECT_EQ(reason(verify(shows(cloud::office_name_proof("office-1", office.keys), 302))), "name_not_proven")
      << "a redirect is no answer";
  EXPECT_EQ(reason(verify(shows(""))), "name_not_proven");
  EXPECT_EQ(reason(verify(net::NothingSent{fail(ErrorKind::misconfigured, "address_not_allowed", "Not there.").error()})),
            "name_unreachable");
}

TEST_F(OfficeName, S1_OnlyNamesUnderHttpsAreAskedAbout) {
  for (const auto* origin : {"http://north.example", "https://192.168.1.5", "https://[2001:db8::1]:8480", "nonsense"}) {
    EXPECT_EQ(reason(verify(shows(""), origin)), "name_unverifiable") << origin;
    EXPECT_EQ(asked, "") << origin;
  }
}

}  // namespace
}  // namespace latchkey::relay
