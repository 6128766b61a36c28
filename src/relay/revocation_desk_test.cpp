#include "relay/revocation_desk.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/fakes_testing.h"
#include "base/id.h"
#include "base/json.h"

namespace latchkey::relay {
namespace {

// Answers what it is told, when it is told.
class FakeProvider final : public net::HttpTransport {
 public:
  std::deque<std::pair<int, std::string>> answers;  // status, error; none left: nobody is there
  std::vector<std::string> bodies;
  bool holds = false;
  base::Broadcast* released = nullptr;

  Task<net::HttpOutcome> send(net::HttpCall call) override {
    bodies.emplace_back(call.body ? call.body->reveal_text() : "");
    while (holds) co_await released->wait();
    if (answers.empty())
      co_return net::NothingSent{{.kind = ErrorKind::unavailable, .reason = "connect_failed", .text = "Nobody there."}};
    net::Reply reply;
    reply.status = answers.front().first;
    reply.body = base::to_bytes(boost::json::serialize(JsonObject{{"error", answers.front().second}}));
    answers.pop_front();
    co_return reply;
  }
};

struct OneSide final : TokenSides {
  TokenSide side{.mode = Mode::exchange,
                 .provider = "acme",
                 .endpoint = "https://acme.example/token",
                 .client_id = "relay-at-acme",
                 .redirect_uri = "https://relay.example/callback/acme",
                 .authentication = oauth::ClientAuthentication::client_secret_post,
                 .secret = std::make_shared<const Secret>(std::string_view("s3cret")),
                 .key = nullptr,
                 .key_id = {},
                 .scopes = {},
                 .code_extra = {},
                 .refresh_extra = {},
                 .reply_shape = {},
                 .revocation_endpoint = "https://acme.example/revoke"};
  Result<TokenSide> token_side(const cloud::ServiceTarget&) const override { return side; }
};

Task<bool> stop(RevocationDesk* desk) {
  co_await desk->stop();
  co_return true;
}

class Revoking : public testing::Test {
 protected:
  Revoking() { provider.released = &released; }
  [[nodiscard]] Enrolment office(std::string id = "north") {
    return {.office = std::move(id),
            .name = "North Ltd",
            .keys = cloud::PartyKeys::make(entropy).public_half(),
            .types = {"acme"},
            .return_origins = {}};
  }
  [[nodiscard]] cloud::RevocationRequest request(const std::string& of_office = "north") {
    const BlobPlace place{.office = of_office, .provider = "acme", .client_id = "relay-at-acme", .grant = grant};
    const auto blob = RefreshBlobs(instance).seal(place, Secret(std::string_view("rt-1")));
    const auto form = "token=" + std::string(blob.reveal_text()) + "&token_type_hint=refresh_token&client_id=relay-at-acme";
    return {.grant = grant,
            .target = {.app = "acme", .type = "acme", .params = {}, .learned = {}},
            .form = Secret(std::string_view(form))};
  }
  [[nodiscard]] Result<cloud::RevocationAnswer> revoke(Enrolment whose, cloud::RevocationRequest asked) {
    return base::run_on_loop(loop, steady, desk.revoke(std::move(whose), std::move(asked)));
  }
  [[nodiscard]] static std::string reason(const Result<cloud::RevocationAnswer>& answer) {
    return answer ? "" : answer.error().reason;
  }

  boost::asio::io_context loop;
  base::SeededEntropy entropy{41};
  base::SimulatedSteadyClock steady;
  base::Broadcast released{loop.get_executor()};
  FakeProvider provider;
  OneSide sides;
  Secret instance{entropy.bytes(32)};
  const std::string grant = GrantId::make(base::from_unix_ms(1'800'000'000'000), entropy).text();
  RelayCounters counters;
  RevocationDesk desk{{.transport = provider,
                       .sides = sides,
                       .instance_key = instance,
                       .counters = counters,
                       .executor = loop.get_executor()}};
};

TEST_F(Revoking, F7_TheTokenItselfIsRevokedWithTheClientsSecret) {
  provider.answers = {{200, ""}};
  const auto answer = revoke(office(), request());
  ASSERT_TRUE(answer) << reason(answer);
  EXPECT_EQ(answer->status, 200);
  ASSERT_EQ(provider.bodies.size(), 1U);
  EXPECT_NE(provider.bodies[0].find("token=rt-1&"), std::string::npos);
  EXPECT_NE(provider.bodies[0].find("client_secret=s3cret"), std::string::npos);
  EXPECT_EQ(counters.revoked, 1);
}

TEST_F(Revoking, F7_TheSecondSecretIsTriedWhenTheFirstIsRefused) {
  sides.side.second_secret = std::make_shared<const Secret>(std::string_view("n3w"));
  provider.answers = {{401, "invalid_client"}, {200, ""}};
  const auto answer = revoke(office(), request());
  ASSERT_TRUE(answer) << reason(answer);
  EXPECT_EQ(answer->status, 200);
  ASSERT_EQ(provider.bodies.size(), 2U);
  EXPECT_NE(provider.bodies[1].find("client_secret=n3w"), std::string::npos);
  provider.answers = {{401, "invalid_client"}, {401, "invalid_client"}};
  const auto refused = revoke(office(), request());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->error, "invalid_client");
  EXPECT_EQ(counters.not_revoked, 1);
}

TEST_F(Revoking, P7_AnErrorThatRepeatsASecretDoesNotReachTheOffice) {
  provider.answers = {{400, "s3cret"}};
  const auto answer = revoke(office(), request());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error.find("s3cret"), std::string::npos) << answer->error;
}

TEST_F(Revoking, F7_AnotherOfficesTokenAnotherModeAndAnUnknownEndpointAreRefusedAndNothingIsSent) {
  EXPECT_EQ(reason(revoke(office("south"), request("north"))), "refresh_token_foreign");
  auto asked = request();
  asked.grant = "nonsense";
  EXPECT_EQ(reason(revoke(office(), std::move(asked))), "token_request_malformed");
  auto other_type = office();
  other_type.types = {"box"};
  EXPECT_EQ(reason(revoke(other_type, request())), "type_not_enrolled");
  sides.side.revocation_endpoint.clear();
  EXPECT_EQ(reason(revoke(office(), request())), "revocation_endpoint_unknown");
  sides.side.mode = Mode::forward;
  EXPECT_EQ(reason(revoke(office(), request())), "not_exchanged");
  EXPECT_TRUE(provider.bodies.empty());
}

TEST_F(Revoking, C7_AProviderThatHangsTakesOneOfficesPlacesAndStoppingWaitsForThem) {
  EXPECT_EQ(reason(revoke(office(), request())), "provider_unreachable");
  provider.bodies.clear();
  provider.holds = true;
  for (std::size_t n = 0; n <= RevocationDesk::kFlightsOfOfficeMax; ++n) provider.answers.emplace_back(200, "");
  std::vector<std::shared_ptr<std::optional<Result<cloud::RevocationAnswer>>>> under_way;
  for (std::size_t n = 0; n < RevocationDesk::kFlightsOfOfficeMax; ++n)
    under_way.push_back(base::start_on(loop, desk.revoke(office(), request())));
  base::drive_until(loop, [&] { return provider.bodies.size() == RevocationDesk::kFlightsOfOfficeMax; });
  EXPECT_EQ(reason(revoke(office(), request())), "too_many_exchanges");
  const auto theirs = base::start_on(loop, desk.revoke(office("south"), request("south")));
  base::drive_until(loop, [&] { return provider.bodies.size() == RevocationDesk::kFlightsOfOfficeMax + 1; });
  const auto stopped = base::start_on(loop, stop(&desk));
  base::drive_until(loop, [&] { return reason(revoke(office("east"), request("east"))) == "too_many_exchanges"; });
  EXPECT_FALSE(stopped->has_value());
  provider.holds = false;
  released.notify_all();
  base::drive_until(loop, [&] { return stopped->has_value(); });
  for (const auto& each : under_way) EXPECT_TRUE(each->has_value() && (*each)->has_value());
  EXPECT_TRUE(theirs->has_value());
}

}  // namespace
}  // namespace latchkey::relay
