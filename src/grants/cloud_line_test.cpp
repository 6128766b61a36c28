#include "grants/cloud_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <type_traits>

#include "base/broadcast.h"
#include "base/fakes_testing.h"
#include "cloud/signed_request.h"

namespace latchkey::grants {
namespace {

// A Cloud Service that answers what it is told.
class FakeService final : public net::HttpTransport {
 public:
  std::deque<net::HttpOutcome> answers;
  std::vector<net::HttpCall> calls;

  Task<net::HttpOutcome> send(net::HttpCall call) override {
    calls.push_back(std::move(call));
    if (answers.empty()) co_return unsent();
    auto answer = std::move(answers.front());
    answers.pop_front();
    co_return answer;
  }
  static net::HttpOutcome unsent() {
    return net::NothingSent{{.kind = ErrorKind::unavailable, .reason = "connect_failed", .text = "Nobody there."}};
  }
  static net::HttpOutcome reply(int status, std::string_view body) {
    net::Reply reply;
    reply.status = status;
    reply.body = base::to_bytes(body);
    return reply;
  }
  static net::HttpOutcome problem(int status, const std::string& code) {
    return reply(status, R"({"type":"urn:latchkey:problem:)" + code + R"(","title":"t","status":403,"detail":"In words."})");
  }
};

class Line : public testing::Test {
 protected:
  template <class T>
  T run(Task<T> task) {
    return base::run_on_loop(loop, steady, std::move(task));
  }
  CloudEnrolment enrolled() {
    return {.address = "https://relay.example",
            .enrolled_at = wall.now(),
            .keys = cloud::PartyKeys::make(entropy),
            .service = view()};
  }
  cloud::ServiceView view() {
    return {.office = "0199-office",
            .label = "North Ltd",
            .keys = relay.public_half(),
            .return_origins = {"https://north.example"},
            .apps = {}};
  }
  template <class T>
  static std::string reason(const Result<T>& result) {
    return result ? "" : result.error().reason;
  }

  boost::asio::io_context loop;
  base::SeededEntropy entropy{9};
  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  base::MemoryLog log;
  FakeService service;
  cloud::PartyKeys relay = cloud::PartyKeys::make(entropy);
  CloudLine line{service, wall, steady, entropy, log};
};

TEST_F(Line, S1_WhatIsAskedIsSignedByTheOfficesKeyForThisMoment) {
  const auto enrolment = enrolled();
  service.answers.push_back(FakeService::reply(200, cloud::to_json(view())));
  ASSERT_TRUE(run(line.ask(enrolment.clone())));
  ASSERT_EQ(service.calls.size(), 1U);
  const auto& call = service.calls.front();
  EXPECT_EQ(call.url, "https://relay.example/relay/v1/office");
  const auto given = cloud::RequestSignature::parse(call.headers.value_or("Authorization"));
  ASSERT_TRUE(given);
  const cloud::Asked asked{.method = "GET", .target = cloud::kOfficePath, .body = ""};
  EXPECT_TRUE(cloud::check_signature(asked, *given, enrolment.keys.public_half().signing, wall.now()));
  EXPECT_EQ(reason(cloud::check_signature(asked, *given, enrolment.keys.public_half().signing, wall.now() + Seconds(90))),
            "clock_differs");
}

// By a clock that was ahead for a second and stays so, every request would be refused until a restart.
static_assert(!std::is_constructible_v<Stamps, const PrudentClock&> && !std::is_constructible_v<CloudLine, net::HttpTransport&, const PrudentClock&, SteadyClock&, Entropy&, Log&>);

TEST_F(Line, R24_TheAddressABrowserIsSentToEndsByTheWallClock) {
  const PrudentClock prudent(wall, steady);
  wall.advance(Seconds(3600));
  ASSERT_EQ(prudent.now(), wall.now());
  wall.advance(Seconds(-3600));
  const auto enrolment = enrolled();
  const cloud::FlowRequest request{.office = {}, .attempt = "a", .type = "box", .params = {}, .app = "op", .username = "scan",
                                   .authorization_url = "https://box.example/authorize?x=1", .return_origin = "https://north.example",
                                   .expires_at = prudent.now() + Seconds(600)};
  const auto address = line.begin_address(enrolment, request, Seconds(600));
  ASSERT_TRUE(address) << address.error().text;
  const auto opened = cloud::OpenedFlow::open(relay, address->substr(address->find("?flow=") + 6));
  ASSERT_TRUE(opened) << opened.error().text;
  const auto believed = opened->believed(enrolment.keys.public_half().signing, wall.now());
  ASSERT_TRUE(believed) << believed.error().reason;
  EXPECT_EQ(believed->expires_at, wall.now() + Seconds(600));
}

TEST_F(Line, C7_ItsOutageAndItsRefusalsAreItsOwnAndToldApart) {
  const struct {
    net::HttpOutcome outcome;
    const char* reason;
    ErrorKind kind;
  } cases[] = {
      {FakeService::unsent(), "cloud_service_unreachable", ErrorKind::unavailable},
      {net::Ambiguous{.error = {.kind = ErrorKind::ambiguous}, .status = 0, .headers = {}, .body = {}},
       "cloud_service_unreachable", ErrorKind::unavailable},
      {FakeService::reply(502, "<html>"), "cloud_service_unreachable", ErrorKind::unavailable},
      {FakeService::reply(404, "{}"), "cloud_service_unreachable", ErrorKind::unavailable},
      {FakeService::problem(503, "not_ready"), "cloud_service_unreachable", ErrorKind::unavailable},
      {FakeService::problem(403, "clock_differs"), "cloud_clock_differs", ErrorKind::refused},
      {FakeService::problem(403, "office_unknown"), "cloud_enrolment_revoked", ErrorKind::refused},
      {FakeService::reply(200, "{}"), "cloud_answer_malformed", ErrorKind::invalid},
  };
  for (const auto& each : cases) {
    service.answers.push_back(each.outcome);
    const auto asked = run(line.ask(enrolled()));
    ASSERT_FALSE(asked) << each.reason;
    EXPECT_EQ(asked.error().reason, each.reason);
    EXPECT_EQ(asked.error().kind, each.kind) << each.reason;
  }
  EXPECT_EQ(line.counters().unreachable, 5);
  EXPECT_EQ(line.counters().refused, 2);
  EXPECT_EQ(line.counters().answered, 1);
}

TEST_F(Line, Attack_WordsOfARefusalThatWouldRepaintATerminalAreNotPassedOn) {
  for (const char* text : {R"(\u001b[2JAll is well.)", R"(a\nb)", R"(\u202egnirts)"}) {
    service.answers.push_back(FakeService::reply(403, std::string(R"({"type":"urn:latchkey:problem:clock_differs","detail":")") + text + "\"}"));
    const auto asked = run(line.ask(enrolled()));
    ASSERT_FALSE(asked);
    EXPECT_EQ(asked.error().reason, "cloud_service_unreachable") << text;
    EXPECT_EQ(asked.error().text.find('\x1b'), std::string::npos);
  }
}

TEST_F(Line, C7_OneThatIsBusyIsThereAndNamesATime) {
  const struct {
    std::string why;
    const char* said;
    Seconds wait;
  } cases[] = {{"too_many_unacknowledged", "40", Seconds(40)},
               {"too_many_exchanges", "", Seconds(5)},
               {"too_many_assertions", "7", Seconds(7)},
               {"too_many_unacknowledged", "soon", Seconds(5)},
               {"too_many_unacknowledged", "-3", Seconds(5)},
               {"too_many_unacknowledged", "99999999", Seconds(3600)}};
  for (const auto& each : cases) {
    auto busy = FakeService::problem(429, each.why);
    std::get<net::Reply>(busy).headers.set("Retry-After", each.said);
    service.answers.push_back(std::move(busy));
    const auto asked = run(line.ask(enrolled()));
    ASSERT_FALSE(asked);
    EXPECT_EQ(asked.error().reason, "cloud_" + each.why);
    EXPECT_EQ(asked.error().kind, ErrorKind::unavailable);
    EXPECT_EQ(asked.error().retry_after, each.wait) << each.said;
  }
  EXPECT_EQ(line.counters().unreachable, 0);
}

TEST_F(Line, C7_WhatIsForbiddenHereIsOfTheWayAndNoAnswer) {
  service.answers.push_back(
      net::NothingSent{{.kind = ErrorKind::misconfigured, .reason = "address_not_allowed", .text = "Not from here."}});
  const auto asked = run(line.ask(enrolled()));
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().reason, "cloud_address_not_allowed");
  EXPECT_EQ(asked.error().kind, ErrorKind::misconfigured);
  EXPECT_FALSE(line.answered_at());
}

TEST_F(Line, S1_OtherKeysThanThePinnedOnesAreRefused) {
  auto other = view();
  other.keys = cloud::PartyKeys::make(entropy).public_half();
  service.answers.push_back(FakeService::reply(200, cloud::to_json(other)));
  EXPECT_EQ(reason(run(line.ask(enrolled()))), "cloud_keys_differ");
  auto code = cloud::EnrolmentCode::make(Bytes(16, 7), relay.public_half(), entropy);
  service.answers.push_back(FakeService::reply(200, cloud::to_json(other)));
  EXPECT_EQ(reason(run(line.enrol("https://relay.example", std::move(code), "https://north.example"))), "cloud_keys_differ");
}

// The service may have redeemed it: by other keys it would be used up, and nobody would have those it was given.
TEST_F(Line, S1_ACodeWhoseAnswerWasLostIsTriedAgainWithTheSameKeys) {
  const auto code = cloud::EnrolmentCode::make(Bytes(16, 7), relay.public_half(), entropy);
  const auto other = cloud::EnrolmentCode::make(Bytes(16, 8), relay.public_half(), entropy);
  const auto tried = [&](const cloud::EnrolmentCode& which) {
    const auto enrolment = run(line.enrol("https://relay.example", *cloud::EnrolmentCode::parse(which.text()), "https://north.example"));
    return std::pair(std::string(service.calls.back().body->reveal_text()), reason(enrolment));
  };
  service.answers.push_back(net::Ambiguous{{.kind = ErrorKind::ambiguous, .reason = "reply_lost", .text = "The line broke."}});
  const auto lost = tried(code);
  EXPECT_EQ(lost.second, "cloud_service_unreachable");
  auto answer = view();
  answer.office = base::id_text(base::IdOctets{7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7});
  service.answers.push_back(FakeService::reply(200, cloud::to_json(answer)));
  const auto again = tried(code);
  EXPECT_EQ(again.second, "");
  EXPECT_EQ(again.first, lost.first);
  EXPECT_NE(tried(code).first, lost.first) << "it has served";
  EXPECT_NE(tried(other).first, tried(code).first);
}

TEST_F(Line, S5_ResultsAreAskedForAgainWhileNobodyAnswersAndOpenForTheirOfficeAlone) {
  const auto enrolment = enrolled();
  const auto sealed =
      cloud::seal_result({.attempt = "a-1", .app = "op", .query = Secret(std::string_view("code=c&state=s"))},
                         enrolment.service.office, enrolment.keys.public_half().sealing, entropy);
  const auto answer = boost::json::serialize(JsonObject{{"result", base::to_base64url(sealed)}});
  service.answers.push_back(FakeService::unsent());
  service.answers.push_back(FakeService::reply(502, ""));
  service.answers.push_back(FakeService::reply(200, answer));
  const auto result = run(line.collect(enrolment.clone(), "handle"));
  ASSERT_TRUE(result) << result.error().reason;
  EXPECT_EQ(result->query.reveal_text(), "code=c&state=s");
  EXPECT_EQ(service.calls.size(), 3U);
  service.answers.push_back(FakeService::reply(200, answer));
  EXPECT_EQ(reason(run(line.collect(enrolled(), "handle"))), "envelope_rejected");
  service.calls.clear();
  service.answers.push_back(FakeService::problem(403, "handle_expired"));
  EXPECT_EQ(reason(run(line.collect(enrolment.clone(), "handle"))), "cloud_handle_expired");
  EXPECT_EQ(service.calls.size(), 1U) << "what is refused is not asked again";
}

// Takes requests and answers when it is told to.
class SlowService final : public net::HttpTransport {
 public:
  explicit SlowService(Executor executor) : told_(std::move(executor)) {}
  std::size_t asked = 0;
  std::size_t to_answer = 0;

  Task<net::HttpOutcome> send(net::HttpCall) override {
    ++asked;
    while (to_answer == 0) co_await told_.wait();
    --to_answer;
    co_return FakeService::problem(403, "handle_expired");
  }
  void answer(std::size_t count) {
    to_answer += count;
    told_.notify_all();
  }

 private:
  base::Broadcast told_;
};

TEST_F(Line, S5_AFewResultsAreFetchedAtOnceAndTheOthersInTurn) {
  SlowService slow(loop.get_executor());
  CloudLine crowded(slow, wall, steady, entropy, log);
  const auto enrolment = enrolled();
  const auto settle = [&] {
    loop.restart();
    loop.poll();
  };
  constexpr auto kMost = CloudLine::kCollectedTogether;
  std::vector<std::shared_ptr<std::optional<Result<cloud::FlowResult>>>> results;
  for (std::size_t n = 0; n < kMost + 3; ++n) results.push_back(base::start_on(loop, crowded.collect(enrolment.clone(), "handle")));
  settle();
  EXPECT_EQ(slow.asked, kMost);
  // Whatever else is asked of the service waits for nobody.
  const auto asked = base::start_on(loop, crowded.ask(enrolment.clone()));
  settle();
  EXPECT_EQ(slow.asked, kMost + 1);
  slow.answer(2);
  settle();
  EXPECT_EQ(slow.asked, kMost + 3);
  slow.answer(kMost + 2);
  settle();
  EXPECT_TRUE(asked->has_value());
  EXPECT_TRUE(std::ranges::all_of(results, [](const auto& each) { return each->has_value(); }));
}

TEST_F(Line, NothingThatOpensAnythingIsLogged) {
  service.answers.push_back(FakeService::problem(403, "handle_unknown"));
  EXPECT_FALSE(run(line.collect(enrolled(), "handle-canary")));
  EXPECT_EQ(log.text().find("handle-canary"), std::string::npos);
}

}  // namespace
}  // namespace latchkey::grants
