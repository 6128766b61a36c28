// The ways to a token endpoint by a Cloud Service, and the keeper on one.
#include "grants/cloud_ways.h"

#include <deque>

#include "base/json.h"
#include "grants/grant_care.h"
#include "grants/keeper_testing.h"
#include "oauth/uri.h"

namespace latchkey::grants {
namespace {

// A Cloud Service in exchange mode that does what it is told, and nobody else behind it.
class FakeService final : public net::HttpTransport {
 public:
  enum class Does { answers, knows_not, is_down, dies_after_posting, refuses, reaches_no_provider, is_busy, is_forbidden };
  std::deque<Does> does;  // empty: answers
  const cloud::PartyKeys* office = nullptr;
  Entropy* entropy = nullptr;
  std::string body = R"({"access_token":"at2","expires_in":3600,"refresh_token":"lkr1.two"})";
  std::vector<cloud::TokenRequest> requests;
  std::vector<cloud::Acknowledgement> acknowledged;
  std::vector<cloud::RevocationRequest> revocations;
  cloud::RevocationAnswer revocation_answer{.status = 200, .error = {}};
  int posted = 0;

  Task<net::HttpOutcome> send(net::HttpCall call) override {
    const std::string text(call.body ? call.body->reveal_text() : "");
    if (call.url.ends_with(cloud::kAcknowledgePath)) {
      acknowledged.push_back(*cloud::parse_acknowledgement(text));
      co_return reply(200, "{}");
    }
    if (call.url.ends_with(cloud::kCollectPath)) {
      co_return reply(403, R"({"type":"urn:latchkey:problem:handle_unknown","detail":"Not known."})");
    }
    if (call.url.ends_with(cloud::kAssertionPath)) {
      if (next() == Does::is_down) co_return nothing();
      wall->advance(signs_for);
      steady->advance(signs_for);
      co_return reply(
          200, cloud::assertion_answer(Secret(std::string_view("a.b.c")), kOffice, office->public_half().sealing, *entropy));
    }
    if (call.url.ends_with(cloud::kRevocationPath)) {
      revocations.push_back(*cloud::parse_revocation_request(text));
      switch (next()) {
        case Does::is_busy:
          co_return reply(429, R"({"type":"urn:latchkey:problem:too_many_exchanges","detail":"It has enough under way."})");
        case Does::refuses:
          co_return reply(403, R"({"type":"urn:latchkey:problem:type_not_enrolled","detail":"Not this type."})");
        case Does::reaches_no_provider:
          co_return reply(503, R"({"type":"urn:latchkey:problem:provider_unreachable","detail":"Nobody there."})");
        default:
          co_return reply(200, cloud::to_json(revocation_answer));
      }
    }
    if (!call.url.ends_with(cloud::kTokenPath)) {
      forms.push_back(text);  // straight at the provider
      time_left = call.total_timeout;
      co_return reply(200, body);
    }
    requests.push_back(*cloud::parse_token_request(text));
    const auto& request = requests.back();
    const auto what = next();
    switch (what) {
      case Does::is_down:
        co_return nothing();
      case Does::is_busy: {
        auto busy = reply(429, R"({"type":"urn:latchkey:problem:too_many_exchanges","detail":"It has enough under way."})");
        std::get<net::Reply>(busy).headers.set("Retry-After", "600");
        co_return busy;
      }
      case Does::is_forbidden:
        co_return net::NothingSent{
            {.kind = ErrorKind::misconfigured, .reason = "address_not_allowed", .text = "Not from here."}};
      case Does::refuses:
        co_return reply(403, R"({"type":"urn:latchkey:problem:office_unknown","detail":"It was revoked."})");
      case Does::reaches_no_provider:
        co_return reply(503, R"({"type":"urn:latchkey:problem:provider_unreachable","detail":"Nobody there."})");
      case Does::knows_not:
        co_return reply(200, cloud::to_json(cloud::TokenAnswer{.turn = request.turn, .reply = {}}));
      case Does::answers:
      case Does::dies_after_posting:
        break;
    }
    if (!kept_turn) {
      posted += 1;
      kept_turn = request.turn;
    }
    if (what == Does::dies_after_posting)
      co_return net::Ambiguous{.error = {.kind = ErrorKind::ambiguous, .reason = "cut", .text = "It broke off."},
                               .status = 0,
                               .headers = {},
                               .body = {}};
    const cloud::ProviderReply answer{.status = 200,
                                      .content_type = "application/json",
                                      .retry_after = {},
                                      .cut = false,
                                      .body = Secret(std::string_view(body))};
    const auto turn = *kept_turn;
    co_return reply(200,
                    cloud::to_json(cloud::TokenAnswer{.turn = turn,
                                                      .reply = cloud::seal_reply(answer, kOffice, request.intent, turn,
                                                                                 office->public_half().sealing, *entropy)}));
  }

  static constexpr std::string_view kOffice = "0199-office";
  std::optional<std::int64_t> kept_turn;
  std::vector<std::string> forms;
  base::SimulatedWallClock* wall = nullptr;
  base::SimulatedSteadyClock* steady = nullptr;
  Milliseconds signs_for{0};  // how long an assertion takes
  Milliseconds time_left{0};  // for the last form, by its call

 private:
  Does next() {
    if (does.empty()) return Does::answers;
    const auto what = does.front();
    if (does.size() > 1) does.pop_front();
    return what;
  }
  static net::HttpOutcome nothing() {
    return net::NothingSent{{.kind = ErrorKind::unavailable, .reason = "connect_failed", .text = "Nobody there."}};
  }
  static net::HttpOutcome reply(int status, std::string_view text) {
    net::Reply made;
    made.status = status;
    made.headers.set("Content-Type", "application/json");
    made.body = base::to_bytes(text);
    return made;
  }
};

using Does = FakeService::Does;

class Ways : public KeeperHouse {
 protected:
  Ways() {
    service.office = &office;
    service.entropy = &entropy;
    service.wall = &wall;
    service.steady = &steady;
    commit(replace_cloud_enrolment(sealing, {.address = "https://relay.example",
                                             .enrolled_at = wall.now(),
                                             .keys = office.clone(),
                                             .service = {.office = std::string(FakeService::kOffice),
                                                         .label = "North Ltd",
                                                         .keys = relay.public_half(),
                                                         .return_origins = {"https://latchkey.example"},
                                                         .apps = {}}}));
    auto* mine = &ways;
    clients->set_ways([mine](const CloudRoute& route, const std::string& type, const catalog::ParameterValues&,
                             const catalog::ParameterValues&) {
      return mine->way(route.mode,
                       {.address = route.address, .target = {.app = route.app, .type = type, .params = {}, .learned = {}}});
    });
  }
  ~Ways() override { run(stopped()); }
  Task<bool> stopped() {
    co_await ways.stop();
    co_return true;
  }
  // The type's app is the service's from now on.
  void by_service(const std::string& id, cloud::Mode mode = cloud::Mode::exchange) {
    auto app = **run(store->app(id));
    app.secrets[0] = {};
    app.params_json = params_with_route({}, {.address = "https://relay.example",
                                             .app = id,
                                             .redirect_uri = "https://relay.example/callback/" + id,
                                             .mode = mode});
    sealing.vouch(app);
    commit({store::PutApp{app}});
    clients->forget(id);
  }
  bool is_raised(std::string_view cause) {
    const auto current = alerts.current();
    return std::ranges::find(current, cause, &Alert::cause) != current.end();
  }
  store::Grant refreshed(const store::Grant& grant) {
    [[maybe_unused]] const auto ended = run(keeper->refresh_now(grant.id));
    return (*run(store->grant(grant.id)))->grant;
  }

  // Its tokens are nobody's here any more.
  void deleted(const store::Grant& grant) {
    GrantCare care(*store, sealing, *clients, *keeper, *giving_back, transport, *this, wall, log);
    ASSERT_TRUE(run(care.remove(grant.id, {.actor = "admin"})));
  }
  std::vector<store::Revocation> waiting() { return run(store->revocations(WallTime::max(), 10))->items; }
  bool waits_because(std::string_view words) {
    const auto all = waiting();
    return all.size() == 1 && all[0].why.find(words) != std::string::npos;
  }

  FakeService service;
  cloud::PartyKeys office = cloud::PartyKeys::make(entropy);
  cloud::PartyKeys relay = cloud::PartyKeys::make(entropy);
  CloudLine line{service, wall, steady, entropy, log};
  CloudWays ways{{.store = *store,
                  .sealing = sealing,
                  .line = line,
                  .transport = service,
                  .alerts = alerts,
                  .wall = wall,
                  .steady = steady,
                  .log = log,
                  .executor = loop.get_executor()}};
};

TEST_F(Ways, S4_ARefreshGoesByWayOfTheServiceAndItsAnswerIsAcknowledgedOnceItIsDurableHere) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  const auto after = refreshed(grant);
  EXPECT_EQ(after.state, store::GrantState::active);
  EXPECT_EQ(after.generation, grant.generation + 1);
  ASSERT_EQ(service.requests.size(), 1U);
  const auto& request = service.requests.front();
  EXPECT_EQ(request.grant, grant.id.text());
  EXPECT_EQ(request.target.app, "acme");
  const auto form = oauth::parse_form(request.form.reveal_text());
  EXPECT_EQ(*oauth::find_parameter(*form, "refresh_token"), "rt1");
  EXPECT_EQ(*oauth::find_parameter(*form, "client_id"), "client");
  EXPECT_EQ(oauth::find_parameter(*form, "client_secret"), nullptr);
  run(stopped());
  ASSERT_EQ(service.acknowledged.size(), 1U);
  EXPECT_EQ(service.acknowledged.front().intent, request.intent);
  EXPECT_EQ(service.acknowledged.front().turn, request.turn);
  EXPECT_TRUE(service.acknowledged.front().had_reply);
}

TEST_F(Ways, S4_AnAnswerLostBetweenServiceAndOfficeIsAskedForAgainAndPostedOnce) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::dies_after_posting, Does::is_down, Does::answers};
  const auto after = refreshed(grant);
  EXPECT_EQ(after.state, store::GrantState::active);
  EXPECT_EQ(after.generation, grant.generation + 1);
  EXPECT_EQ(service.posted, 1);
}

TEST_F(Ways, S4_TheAnswerOfALongOutageIsThereAfterwardsUnderTheSameIntentAndALaterTurn) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::dies_after_posting, Does::is_down};
  const auto down = refreshed(grant);
  EXPECT_EQ(down.state, store::GrantState::unreachable) << "nothing is uncertain about it";
  EXPECT_NE(down.why.find("says nothing of the provider"), std::string::npos) << down.why;
  const auto intent = service.requests.back().intent;
  const auto turn = service.requests.back().turn;
  service.does = {Does::answers};
  steady.advance(std::chrono::minutes(5));
  wall.advance(std::chrono::minutes(5));
  const auto after = refreshed(grant);
  EXPECT_EQ(after.state, store::GrantState::active) << after.why;
  EXPECT_EQ(service.requests.back().intent, intent);
  EXPECT_GT(service.requests.back().turn, turn);
  EXPECT_EQ(service.posted, 1);
  run(stopped());
  EXPECT_EQ(service.acknowledged.back().turn, *service.kept_turn) << "the turn that was answered";
}

TEST_F(Ways, F1_WhatTheServiceDoesNotKnowIsAmbiguousAndTheTypesRuleHolds) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::knows_not};
  EXPECT_EQ(refreshed(grant).state, store::GrantState::uncertain);
  const auto asked = service.requests.size();
  refreshed(grant);
  EXPECT_EQ(service.requests.size(), asked) << "not again before nothing is left to lose";
  run(stopped());
  ASSERT_EQ(service.acknowledged.size(), 1U) << "or a later turn would never be posted";
  EXPECT_FALSE(service.acknowledged.front().had_reply) << "or one that comes late would be thrown away";
}

// What was posted when the line broke may have been answered, and the answer thrown away, long before the service says that
// it does not know.
TEST_F(Ways, F1_AGraceIsCountedFromWhenTheServiceWasFirstAskedAndNotFromWhenItWasHeardOf) {
  by_service("acme");
  const auto grant = put_grant("acme-grace");
  service.does = {Does::dies_after_posting, Does::is_down};
  ASSERT_EQ(refreshed(grant).state, store::GrantState::unreachable);
  steady.advance(std::chrono::minutes(40));  // the type's grace is 30 minutes
  wall.advance(std::chrono::minutes(40));
  service.does = {Does::knows_not};
  ASSERT_EQ(refreshed(grant).state, store::GrantState::uncertain);
  const auto asked = service.requests.size();
  refreshed(grant);
  EXPECT_EQ(service.requests.size(), asked) << "the grace is over: asking again could end the grant";
}

TEST_F(Ways, C7_AnOutageOfTheServiceOpensItsBreakerAndNotTheProviders) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::is_down};
  refreshed(grant);
  refreshed(grant);
  EXPECT_TRUE(is_raised("cloud_service_unreachable"));
  const auto asked = service.requests.size();
  refreshed(grant);
  EXPECT_EQ(service.requests.size(), asked) << "while it is open nobody waits";
  for (const auto& circuit : keeper->circuits()) EXPECT_EQ(circuit.failures, 0) << circuit.app;
  service.does = {Does::answers};
  steady.advance(std::chrono::minutes(2));
  wall.advance(std::chrono::minutes(2));
  EXPECT_EQ(refreshed(grant).state, store::GrantState::active);
  EXPECT_FALSE(is_raised("cloud_service_unreachable"));
}

// A provider that hangs fills the service's places for it: it answers all the same, and says when.
TEST_F(Ways, C7_AServiceThatIsBusyIsNoOutageAndIsAskedWhenItSays) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::is_busy};
  for (int turn = 0; turn < 3; ++turn) refreshed(grant);
  EXPECT_EQ(service.requests.size(), 3U) << "each is answered once";
  EXPECT_FALSE(is_raised("cloud_service_unreachable"));
  const auto after = (*run(store->grant(grant.id)))->grant;
  EXPECT_EQ(after.state, store::GrantState::unreachable);
  EXPECT_EQ(after.why, "It has enough under way.");
  ASSERT_TRUE(after.due_at);
  EXPECT_GE(*after.due_at, wall.now() + Seconds(599)) << "Retry-After holds";
  for (const auto& circuit : keeper->circuits()) EXPECT_EQ(circuit.failures, 0) << circuit.app;
}

// What this server itself forbids, or cannot read, is neither the service's nor the provider's.
TEST_F(Ways, C7_AnAddressThatIsForbiddenHereOpensNobodysBreaker) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::is_forbidden};
  for (int turn = 0; turn < 3; ++turn) refreshed(grant);
  EXPECT_EQ((*run(store->grant(grant.id)))->grant.why, "Not from here.");
  EXPECT_FALSE(is_raised("cloud_service_unreachable"));
  ASSERT_EQ(keeper->circuits().size(), 1U);
  EXPECT_EQ(keeper->circuits().front().failures, 0) << "the provider was never asked";
}

TEST_F(Ways, C7_WhatIsForbiddenHereIsNoSignThatTheServiceIsBack) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::is_down};
  for (int turn = 0; turn < 2; ++turn) refreshed(grant);
  ASSERT_TRUE(is_raised("cloud_service_unreachable"));
  service.does = {Does::is_forbidden};
  steady.advance(std::chrono::minutes(2));
  wall.advance(std::chrono::minutes(2));
  refreshed(grant);
  EXPECT_TRUE(is_raised("cloud_service_unreachable"));
}

// A consent that comes back by way of the service shows that it is there: the code's exchange does not wait for a probe.
TEST_F(Ways, C7_AnyAnswerOfTheServicesClosesItsBreaker) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::is_down};
  for (int turn = 0; turn < 2; ++turn) refreshed(grant);
  ASSERT_TRUE(is_raised("cloud_service_unreachable"));
  steady.advance(Seconds(1));
  wall.advance(Seconds(1));
  service.does = {Does::answers};
  const auto enrolment = run(read_cloud_enrolment(*store, sealing));
  ASSERT_TRUE(enrolment && *enrolment);
  // Nothing is there to be fetched, and that is an answer.
  ASSERT_FALSE(run(line.collect((*enrolment)->clone(), "handle")));
  EXPECT_EQ(refreshed(grant).state, store::GrantState::active);
  EXPECT_FALSE(is_raised("cloud_service_unreachable"));
}

TEST_F(Ways, C7_WhatTheServiceSaysOfTheProviderIsTheProviders) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::reaches_no_provider};
  const auto after = refreshed(grant);
  EXPECT_EQ(after.state, store::GrantState::unreachable);
  EXPECT_EQ(after.why, "Nobody there.");
  ASSERT_EQ(keeper->circuits().size(), 1U);
  EXPECT_EQ(keeper->circuits().front().failures, 1);
}

TEST_F(Ways, C7_ARefusalOfTheServicesKillsNoGrant) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::refuses};
  const auto after = refreshed(grant);
  EXPECT_EQ(after.state, store::GrantState::unreachable);
  EXPECT_EQ(after.why, "The Cloud Service refuses to pass this on: It was revoked.");
  commit({forget_cloud_enrolment()});
  EXPECT_NE(refreshed(grant).why.find("not enrolled there any more"), std::string::npos);
}

TEST_F(Ways, F7_WhatIsDeletedInExchangeModeIsRevokedByWayOfTheServiceWhichAloneHasTheSecret) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  deleted(grant);
  base::drive_until(loop, [&] { return waiting().empty(); });
  ASSERT_EQ(service.revocations.size(), 1U);
  const auto& asked = service.revocations.front();
  EXPECT_EQ(asked.grant, grant.id.text());
  EXPECT_EQ(asked.target.app, "acme");
  const auto form = oauth::parse_form(asked.form.reveal_text());
  ASSERT_TRUE(form);
  EXPECT_EQ(*oauth::find_parameter(*form, "token"), "rt1");
  EXPECT_EQ(*oauth::find_parameter(*form, "client_id"), "client");
  EXPECT_EQ(oauth::find_parameter(*form, "client_secret"), nullptr);
  EXPECT_TRUE(transport.revoked.empty()) << "nothing goes to the provider from here";
  EXPECT_EQ(counters.given_back, 1);
}

TEST_F(Ways, F7_C7_AServiceThatIsBusyOrAProviderItDoesNotReachKeepsTheRevocationWaiting) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::is_busy};
  deleted(grant);
  base::drive_until(loop, [&] { return waits_because("enough under way"); });
  service.does = {Does::reaches_no_provider};
  advance(std::chrono::hours(6));
  giving_back->nudge();
  base::drive_until(loop, [&] { return waits_because("provider cannot be reached"); });
  EXPECT_TRUE(alerts.current().empty());
  service.does = {};
  advance(std::chrono::hours(6));
  giving_back->nudge();
  base::drive_until(loop, [&] { return waiting().empty(); });
  EXPECT_EQ(counters.given_back, 1);
}

TEST_F(Ways, F7_WhatTheServiceRefusesIsAskedAgainSinceItsOperatorMayMendIt) {
  by_service("acme");
  const auto grant = put_grant("acme-family");
  service.does = {Does::refuses};
  deleted(grant);
  base::drive_until(loop, [&] { return waits_because("refuses to pass this on: Not this type."); });
  service.does = {};
  service.revocation_answer = {.status = 401, .error = "invalid_client"};
  advance(std::chrono::hours(1));
  giving_back->nudge();
  base::drive_until(loop, [&] { return waits_because("The provider answered 401."); });
  service.revocation_answer = {.status = 400, .error = "invalid_token"};
  advance(std::chrono::hours(1));
  giving_back->nudge();
  base::drive_until(loop, [&] { return waiting().empty(); });
  EXPECT_EQ(counters.given_back, 1) << "a token that the provider does not know is gone";
}

TEST_F(Ways, F7_InAssertionModeTheProviderIsAskedToRevokeFromHereWithWhatTheServiceHasSigned) {
  by_service("acme", cloud::Mode::assertion);
  const auto grant = put_grant("acme-family");
  deleted(grant);
  base::drive_until(loop, [&] { return waiting().empty(); });
  ASSERT_EQ(service.forms.size(), 1U);
  const auto form = oauth::parse_form(service.forms.front());
  EXPECT_EQ(*oauth::find_parameter(*form, "token"), "rt1");
  EXPECT_EQ(*oauth::find_parameter(*form, "client_assertion"), "a.b.c");
  EXPECT_TRUE(service.revocations.empty());
  EXPECT_EQ(counters.given_back, 1);
}

TEST_F(Ways, S3_InAssertionModeTheProviderIsAskedFromHereWithWhatTheServiceHasSigned) {
  by_service("acme", cloud::Mode::assertion);
  service.body = R"({"access_token":"at2","expires_in":3600,"refresh_token":"rt2"})";
  const auto grant = put_grant("acme-family");
  EXPECT_EQ(refreshed(grant).state, store::GrantState::active);
  ASSERT_EQ(service.forms.size(), 1U);
  const auto form = oauth::parse_form(service.forms.front());
  EXPECT_EQ(*oauth::find_parameter(*form, "client_assertion"), "a.b.c");
  EXPECT_EQ(*oauth::find_parameter(*form, "refresh_token"), "rt1");
  EXPECT_TRUE(service.requests.empty());
}

// The lease is reckoned by the whole of a call's time: what the assertion took is not the provider's any more.
TEST_F(Ways, R6_WhatAnAssertionTakesIsTakenOffTheTimeOfThePost) {
  by_service("acme", cloud::Mode::assertion);
  service.body = R"({"access_token":"at2","expires_in":3600,"refresh_token":"rt2"})";
  const auto grant = put_grant("acme-family");
  service.signs_for = std::chrono::seconds(5);
  EXPECT_EQ(refreshed(grant).state, store::GrantState::active);
  EXPECT_GT(service.time_left, Milliseconds(0));
  EXPECT_LE(service.time_left + service.signs_for, KeeperTuning{}.timeouts.total);
}

TEST_F(Ways, F3_AnAssertionThatComesWhenTheTimeIsOverIsNotUsed) {
  by_service("acme", cloud::Mode::assertion);
  const auto grant = put_grant("acme-family");
  service.signs_for = std::chrono::minutes(2);
  const auto after = refreshed(grant);
  EXPECT_TRUE(service.forms.empty()) << "another server may hold the grant by now";
  EXPECT_EQ(after.state, store::GrantState::unreachable);
  EXPECT_NE(after.why.find("took too long to sign"), std::string::npos) << after.why;
  for (const auto& circuit : keeper->circuits()) EXPECT_EQ(circuit.failures, 0) << circuit.app;
  service.signs_for = {};
  steady.advance(std::chrono::minutes(5));
  wall.advance(std::chrono::minutes(5));
  service.body = R"({"access_token":"at2","expires_in":3600,"refresh_token":"rt2"})";
  EXPECT_EQ(refreshed(grant).state, store::GrantState::active);
}

}  // namespace
}  // namespace latchkey::grants
