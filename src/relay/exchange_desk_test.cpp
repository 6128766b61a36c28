#include "relay/exchange_desk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <future>

#include "base/fakes_testing.h"
#include "base/json.h"
#include "store/memory_exchange_book_testing.h"

namespace latchkey::relay {
namespace {

// A token endpoint that answers what it is told, when it is told.
class FakeProvider final : public net::HttpTransport {
 public:
  std::deque<net::HttpOutcome> answers;
  std::vector<std::string> bodies;
  bool holds = false;
  std::string holds_only;  // what its address contains
  base::Broadcast* released = nullptr;

  Task<net::HttpOutcome> send(net::HttpCall call) override {
    bodies.emplace_back(call.body ? call.body->reveal_text() : "");
    while (holds && call.url.find(holds_only) != std::string::npos) co_await released->wait();
    if (answers.empty())
      co_return net::NothingSent{{.kind = ErrorKind::unavailable, .reason = "connect_failed", .text = "Nobody there."}};
    auto answer = std::move(answers.front());
    answers.pop_front();
    co_return answer;
  }
  static net::HttpOutcome tokens(const std::string& refresh_token) {
    net::Reply reply;
    reply.status = 200;
    reply.headers.set("Content-Type", "application/json");
    reply.body = base::to_bytes(R"({"access_token":"at","expires_in":60,"refresh_token":")" + refresh_token + "\"}");
    return reply;
  }
  static net::HttpOutcome refusal(const std::string& error) {
    net::Reply reply;
    reply.status = error == "invalid_client" ? 401 : 400;
    reply.headers.set("Content-Type", "application/json");
    reply.body = base::to_bytes(R"({"error":")" + error + "\"}");
    return reply;
  }
  static net::HttpOutcome lost() {
    return net::Ambiguous{.error = {.kind = ErrorKind::ambiguous}, .status = 0, .headers = {}, .body = {}};
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
                 .scopes = {"files"},
                 .code_extra = {},
                 .refresh_extra = {},
                 .reply_shape = {}};
  std::string app = "acme";
  bool gone = false;
  Result<TokenSide> token_side(const cloud::ServiceTarget& target) const override {
    if (gone || target.app != app) return fail(ErrorKind::not_found, "app_unknown", "No such app.");
    return side;
  }
};

// One that other instances use as well.
struct SharedBook final : store::MemoryExchangeBook {
  base::SimulatedWallClock* wall = nullptr;
  std::atomic<std::int64_t> claiming_ms{0};  // how long a claim takes
  std::atomic<bool> elsewhere{false};        // what is asked is another's
  Bytes answers_first;                       // what another keeps just before a turn is settled as unknown here

  Result<void> keep_unknown(const store::OfficeId& office, const IntentId& intent, std::int64_t turn, WallTime now) override {
    if (!answers_first.empty()) EXPECT_TRUE(keep_reply(office, intent, turn, std::exchange(answers_first, {}), now));
    return MemoryExchangeBook::keep_unknown(office, intent, turn, now);
  }
  Result<std::optional<store::KeptExchange>> claim(const store::OfficeId& office, const IntentId& intent, std::int64_t turn,
                                                   ByteView nonce, WallTime now) override {
    auto claimed = MemoryExchangeBook::claim(office, intent, turn, nonce, now);
    wall->advance(Milliseconds(claiming_ms));
    if (claimed && *claimed) (*claimed)->elsewhere = elsewhere;
    return claimed;
  }
};

class Desk : public testing::Test {
 protected:
  struct Office {
    Enrolment enrolment;
    cloud::PartyKeys keys;
    std::string grant;
  };
  Desk() {
    provider.released = &released;
    book.wall = &wall;
    restart();
  }
  ~Desk() override { run(stopped()); }

  // Another process on what the last one has kept.
  void restart() {
    if (desk) run(stopped());
    desk = std::make_unique<ExchangeDesk>(ExchangeDesk::Parts{.book = book,
                                                              .disk = disk,
                                                              .transport = provider,
                                                              .sides = sides,
                                                              .instance_key = instance,
                                                              .counters = counters,
                                                              .wall = wall,
                                                              .steady = steady,
                                                              .entropy = entropy,
                                                              .log = log,
                                                              .executor = loop.get_executor()});
  }
  Task<bool> stopped() {
    co_await desk->stop();
    co_return true;
  }
  template <class T>
  T run(Task<T> task) {
    return base::run_on_loop(loop, steady, std::move(task));
  }
  Office enrol() {
    const auto id = store::OfficeId::make(wall.now(), entropy).text();
    Office office{
        .enrolment = {}, .keys = cloud::PartyKeys::make(entropy), .grant = GrantId::make(wall.now(), entropy).text()};
    office.enrolment = {
        .office = id, .name = "North Ltd", .keys = office.keys.public_half(), .types = {"acme"}, .return_origins = {}};
    return office;
  }
  std::string intent() { return IntentId::make(wall.now(), entropy).text(); }
  cloud::TokenRequest request(const Office& office, const std::string& intent, std::int64_t turn, const std::string& form) {
    return {.intent = intent,
            .turn = turn,
            .grant = office.grant,
            .target = {.app = "acme", .type = "acme", .params = {}, .learned = {}},
            .form = Secret(std::string_view(form))};
  }
  static std::string code_form() {
    return "grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Frelay.example%2Fcallback%2Facme&client_id=relay-"
           "at-acme&code_verifier=" +
           std::string(43, 'v');
  }
  std::shared_ptr<std::optional<Result<cloud::TokenAnswer>>> begin(const Office& office, const std::string& intent,
                                                                   std::int64_t turn,
                                                                   const std::string& form = code_form()) {
    return base::start_on(loop, desk->exchange(office.enrolment, request(office, intent, turn, form), entropy.bytes(16)));
  }
  Result<cloud::TokenAnswer> exchange(const Office& office, const std::string& intent, std::int64_t turn,
                                      const std::string& form = code_form()) {
    return run(desk->exchange(office.enrolment, request(office, intent, turn, form), entropy.bytes(16)));
  }
  // The refresh token in a reply, as the office holds it.
  std::string blob(const Office& office, const std::string& intent, const cloud::TokenAnswer& answer) {
    const auto reply = cloud::open_reply(office.keys, office.enrolment.office, intent, answer.turn, answer.reply);
    EXPECT_TRUE(reply) << (reply ? "" : reply.error().reason);
    return reply ? base::string_or(parse_json(reply->body.reveal_text())->get_object(), "refresh_token") : "";
  }
  // From now on; by the book's own thread.
  void refuse_writes(std::optional<Error> how) {
    run(disk.run([this, how = std::move(how)]() mutable {
      book.refuses = std::move(how);
      return true;
    }));
  }
  // One that stops working between the claim and the reply.
  Result<cloud::TokenAnswer> answered_by_a_disk_that_fails(const Office& office, const std::string& name,
                                                           Error how = kFull) {
    provider.answers = {FakeProvider::tokens("rt-1")};
    provider.holds = true;
    const auto under_way = begin(office, name, 1);
    base::drive_until(loop, [&] { return !provider.bodies.empty(); });
    refuse_writes(std::move(how));
    provider.holds = false;
    released.notify_all();
    base::drive_until(loop, [&] { return under_way->has_value(); });
    return **under_way;
  }
  std::int64_t waiting() {
    run(tidied());
    return counters.waiting;
  }
  Task<bool> tidied() {
    co_await desk->tidy();
    co_return true;
  }
  template <class Condition>
  void pass_time_until(Condition condition) {
    base::drive_until(loop, [&] {
      if (const auto wake = steady.next_wake()) steady.advance(*wake - steady.now());
      return condition();
    });
  }
  inline static const Error kFull{
      .kind = ErrorKind::unavailable, .reason = "store_unavailable", .text = "The disk is full."};
  static std::string reason(const Result<cloud::TokenAnswer>& answer) { return answer ? "" : answer.error().reason; }

  boost::asio::io_context loop;
  base::SeededEntropy entropy{21};
  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  base::MemoryLog log;
  base::Broadcast released{loop.get_executor()};
  FakeProvider provider;
  OneSide sides;
  SharedBook book;
  Pool disk{"book", 1};
  Secret instance{entropy.bytes(32)};
  ExchangeCounters counters;
  std::unique_ptr<ExchangeDesk> desk;
};

TEST_F(Desk, S4_TheSecondSecretIsTriedOnlyWhenTheFirstIsRefused) {
  sides.side.second_secret = std::make_shared<const Secret>(std::string_view("n3w"));
  const auto office = enrol();
  provider.answers = {FakeProvider::refusal("invalid_client"), FakeProvider::tokens("rt-1"),
                      FakeProvider::refusal("invalid_grant"), FakeProvider::lost(), FakeProvider::refusal("invalid_client")};
  const auto first = intent();
  const auto answer = exchange(office, first, 1);
  ASSERT_TRUE(answer) << reason(answer);
  EXPECT_TRUE(blob(office, first, *answer).starts_with("lkr1."));
  ASSERT_EQ(provider.bodies.size(), 2U);
  EXPECT_NE(provider.bodies[0].find("client_secret=s3cret"), std::string::npos);
  EXPECT_NE(provider.bodies[1].find("client_secret=n3w"), std::string::npos);
  // A code that was refused, and an answer that was lost, may have been spent: neither is posted again.
  ASSERT_TRUE(exchange(office, intent(), 1));
  EXPECT_EQ(provider.bodies.size(), 3U);
  const auto unknown = exchange(office, intent(), 1);
  ASSERT_TRUE(unknown);
  EXPECT_TRUE(unknown->reply.empty());
  EXPECT_EQ(provider.bodies.size(), 4U);
  // Refused, and then nobody there: nothing is under way, and the same turn may be posted again.
  const auto again = intent();
  EXPECT_EQ(reason(exchange(office, again, 1)), "provider_unreachable");
  provider.answers = {FakeProvider::tokens("rt-2")};
  EXPECT_TRUE(exchange(office, again, 1));
}

TEST_F(Desk, S4_ACodeAndThenItsRefreshTokenGoOnWithTheSecretAndComeBackAsABlob) {
  const auto office = enrol();
  provider.answers = {FakeProvider::tokens("rt-1"), FakeProvider::tokens("rt-2")};
  const auto first = intent();
  const auto answer = exchange(office, first, 1);
  ASSERT_TRUE(answer) << reason(answer);
  const auto held = blob(office, first, *answer);
  EXPECT_TRUE(held.starts_with("lkr1."));
  const auto second = intent();
  const auto refreshed =
      exchange(office, second, 1, "grant_type=refresh_token&client_id=relay-at-acme&refresh_token=" + held);
  ASSERT_TRUE(refreshed) << reason(refreshed);
  EXPECT_NE(blob(office, second, *refreshed), held);
  EXPECT_NE(provider.bodies.back().find("refresh_token=rt-1"), std::string::npos);
  EXPECT_NE(provider.bodies.back().find("client_secret=s3cret"), std::string::npos);
}

TEST_F(Desk, S4_TheSameTurnAgainGivesTheSameAndALaterOneWaitsForTheAcknowledgement) {
  const auto office = enrol();
  const auto name = intent();
  provider.answers = {FakeProvider::tokens("rt-1"), FakeProvider::tokens("rt-2")};
  const auto first = exchange(office, name, 1);
  restart();
  for (const std::int64_t turn : {1, 2}) {
    const auto again = exchange(office, name, turn);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->turn, 1);
    EXPECT_EQ(again->reply, first->reply);
  }
  EXPECT_EQ(provider.bodies.size(), 1U);
  ASSERT_TRUE(run(desk->acknowledge(office.enrolment, {.intent = name, .turn = 1, .had_reply = true})));
  const auto gone = exchange(office, name, 1);
  ASSERT_TRUE(gone);
  EXPECT_TRUE(gone->reply.empty());
  EXPECT_EQ(provider.bodies.size(), 1U);
  EXPECT_EQ(exchange(office, name, 2)->turn, 2);
  EXPECT_EQ(provider.bodies.size(), 2U);
  ASSERT_TRUE(run(desk->acknowledge(office.enrolment, {.intent = name, .turn = 2, .had_reply = true})));
  EXPECT_EQ(reason(exchange(office, name, 1)), "turn_over");
}

TEST_F(Desk, S4_WhoeverAsksWhileItIsUnderWayHearsTheSame) {
  const auto office = enrol();
  const auto name = intent();
  provider.answers = {FakeProvider::tokens("rt-1")};
  provider.holds = true;
  const auto one = begin(office, name, 1);
  base::drive_until(loop, [&] { return !provider.bodies.empty(); });
  const auto two = begin(office, name, 1);
  const auto later = begin(office, name, 2);
  provider.holds = false;
  released.notify_all();
  base::drive_until(loop, [&] { return one->has_value() && two->has_value() && later->has_value(); });
  EXPECT_EQ((**one)->reply, (**two)->reply);
  EXPECT_EQ((**later)->turn, 1);
  EXPECT_EQ(provider.bodies.size(), 1U);
}

TEST_F(Desk, S4_WhatAnEarlierProcessHadBegunIsNotKnownAndNotPostedAgain) {
  const auto office = enrol();
  const auto name = intent();
  const auto id = *store::OfficeId::parse(office.enrolment.office);
  ASSERT_FALSE(*book.claim(id, *IntentId::parse(name), 1, entropy.bytes(16), wall.now()));
  for (const std::int64_t turn : {1, 2}) {
    const auto unknown = exchange(office, name, turn);
    ASSERT_TRUE(unknown) << reason(unknown);
    EXPECT_EQ(unknown->turn, 1);
    EXPECT_TRUE(unknown->reply.empty());
  }
  EXPECT_TRUE(provider.bodies.empty());
  EXPECT_EQ(counters.unknown, 1);
  ASSERT_TRUE(run(desk->acknowledge(office.enrolment, {.intent = name, .turn = 1, .had_reply = false})));
  provider.answers = {FakeProvider::tokens("rt-1")};
  EXPECT_FALSE(exchange(office, name, 2)->reply.empty());
}

TEST_F(Desk, S4_WhatAnotherInstanceHasUnderWayIsLeftToItUntilItsClaimEnds) {
  const auto office = enrol();
  const auto name = intent();
  ASSERT_TRUE(book.claim(*store::OfficeId::parse(office.enrolment.office), *IntentId::parse(name), 1, entropy.bytes(16),
                         wall.now()));
  book.elsewhere = true;
  const auto there = exchange(office, name, 1);
  EXPECT_EQ(reason(there), "exchange_elsewhere");
  EXPECT_EQ(there.error().retry_after, Seconds(2));
  EXPECT_EQ(reason(exchange(office, name, 2)), "exchange_elsewhere");
  EXPECT_EQ(counters.unknown, 0) << "it may be answered yet";
  book.elsewhere = false;
  const auto ended = exchange(office, name, 1);
  ASSERT_TRUE(ended);
  EXPECT_TRUE(ended->reply.empty());
  EXPECT_EQ(counters.unknown, 1);
  EXPECT_TRUE(provider.bodies.empty());
}

TEST_F(Desk, F2_AReplyThatComesWhileItsTurnIsBeingSettledAsUnknownIsGiven) {
  const auto office = enrol();
  const auto name = intent();
  const auto id = *store::OfficeId::parse(office.enrolment.office);
  ASSERT_FALSE(*book.claim(id, *IntentId::parse(name), 1, entropy.bytes(16), wall.now()));
  book.answers_first = Bytes{1, 2, 3};
  const auto answer = exchange(office, name, 2);
  ASSERT_TRUE(answer) << reason(answer);
  EXPECT_EQ(answer->turn, 1);
  EXPECT_EQ(answer->reply, (Bytes{1, 2, 3}));
  ASSERT_TRUE(run(desk->acknowledge(office.enrolment, {.intent = name, .turn = 1, .had_reply = false})));
  EXPECT_EQ(exchange(office, name, 2)->reply, answer->reply) << "what was not heard is not acknowledged";
  EXPECT_TRUE(provider.bodies.empty());
}

TEST_F(Desk, F3_APostThatCouldOutlastItsClaimIsNotBegun) {
  const auto office = enrol();
  const auto name = intent();
  provider.answers = {FakeProvider::tokens("rt-1")};
  book.claiming_ms = 65'001;
  EXPECT_EQ(reason(exchange(office, name, 1)), "too_many_exchanges");
  EXPECT_TRUE(provider.bodies.empty());
  EXPECT_EQ(counters.unreachable, 0) << "which says nothing of the provider";
  book.claiming_ms = 65'000;
  const auto answer = exchange(office, name, 1);
  ASSERT_TRUE(answer) << "the same turn is free again: " << reason(answer);
  EXPECT_FALSE(answer->reply.empty());
}

TEST_F(Desk, S4_AnAnswerThatIsLostOnTheWayIsNotKnownEither) {
  const auto office = enrol();
  const auto name = intent();
  provider.answers = {FakeProvider::lost()};
  EXPECT_TRUE(exchange(office, name, 1)->reply.empty());
  EXPECT_TRUE(exchange(office, name, 1)->reply.empty());
  EXPECT_EQ(provider.bodies.size(), 1U);
}

TEST_F(Desk, C7_AProviderThatIsNotReachedIsTheProvidersAndLeavesNothing) {
  const auto office = enrol();
  const auto name = intent();
  const auto refused = exchange(office, name, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "provider_unreachable");
  EXPECT_EQ(refused.error().text, "Nobody there.");
  provider.answers = {FakeProvider::tokens("rt-1")};
  EXPECT_FALSE(exchange(office, name, 1)->reply.empty()) << "the same turn, since nothing was sent";
}

TEST_F(Desk, S4_AFullDiskLosesNoReply) {
  const auto office = enrol();
  const auto name = intent();
  refuse_writes(kFull);
  EXPECT_EQ(reason(exchange(office, name, 1)), "store_unavailable");
  EXPECT_TRUE(provider.bodies.empty()) << "nothing is posted that is not durable";
  refuse_writes(std::nullopt);
  const auto answer = answered_by_a_disk_that_fails(office, name);
  ASSERT_TRUE(answer) << "the office has a journal of its own";
  EXPECT_FALSE(answer->reply.empty());
  EXPECT_EQ(exchange(office, name, 1)->reply, answer->reply) << "whoever asks again, while it is not kept yet";
  EXPECT_EQ(waiting(), 0);
  refuse_writes(std::nullopt);
  pass_time_until([&] { return waiting() == 1; });
  restart();
  EXPECT_EQ(exchange(office, name, 1)->reply, answer->reply) << "kept as soon as the disk took it";
  EXPECT_EQ(provider.bodies.size(), 1U);
}

TEST_F(Desk, S4_AReplyIsAcknowledgedBeforeTheDiskHasTakenIt) {
  const auto office = enrol();
  const auto name = intent();
  const auto answer = answered_by_a_disk_that_fails(office, name);
  ASSERT_TRUE(answer);
  ASSERT_TRUE(run(desk->acknowledge(office.enrolment, {.intent = name, .turn = 1, .had_reply = true})));
  EXPECT_EQ(reason(exchange(office, name, 2)), "store_unavailable") << "not posted on top of what is not kept";
  EXPECT_EQ(provider.bodies.size(), 1U);
  refuse_writes(std::nullopt);
  provider.answers = {FakeProvider::tokens("rt-2")};
  pass_time_until([&] { return exchange(office, name, 2).has_value(); });
  EXPECT_EQ(provider.bodies.size(), 2U);
}

TEST_F(Desk, S4_ADiskThatFailsForGoodStillLeavesTheOfficeItsReply) {
  const auto office = enrol();
  const auto answer = answered_by_a_disk_that_fails(
      office, intent(), {.kind = ErrorKind::corrupt, .reason = "store_corrupt", .text = "The database is damaged."});
  ASSERT_TRUE(answer) << reason(answer);
  EXPECT_FALSE(answer->reply.empty());
}

TEST_F(Desk, S4_AKeptReplyIsGivenWhateverHasBecomeOfTheRegistration) {
  auto office = enrol();
  const auto answered = intent();
  const auto unknown = intent();
  provider.answers = {FakeProvider::tokens("rt-1"), FakeProvider::lost()};
  const auto first = exchange(office, answered, 1);
  ASSERT_TRUE(first);
  ASSERT_TRUE(exchange(office, unknown, 1));
  const std::pair<std::string, std::function<void()>> changes[] = {
      {"not_exchanged", [&] { sides.side.mode = Mode::forward; }},
      {"token_request_refused", [&] { sides.side.redirect_uri = "https://moved.example/"; }},
      {"app_unknown", [&] { sides.gone = true; }},
      {"type_not_enrolled", [&] { office.enrolment.types.clear(); }}};
  for (const auto& [why, change] : changes) {
    sides = {};
    change();
    for (const std::int64_t turn : {1, 2}) {
      const auto again = exchange(office, answered, turn);
      ASSERT_TRUE(again) << why << ": " << reason(again);
      EXPECT_EQ(again->reply, first->reply) << why;
      const auto not_known = exchange(office, unknown, turn);
      ASSERT_TRUE(not_known) << why << ": " << reason(not_known);
      EXPECT_TRUE(not_known->reply.empty());
    }
    EXPECT_EQ(reason(exchange(office, intent(), 1)), why) << "what is to be posted must fit";
  }
  ASSERT_TRUE(run(desk->acknowledge(office.enrolment, {.intent = answered, .turn = 1, .had_reply = true})));
  EXPECT_EQ(reason(exchange(office, answered, 2)), "type_not_enrolled");
  EXPECT_EQ(provider.bodies.size(), 2U);
}

TEST_F(Desk, C7_AProviderThatHangsLeavesRoomForTheOthersAndForOtherOffices) {
  const auto north = enrol();
  const auto south = enrol();
  provider.holds = true;
  std::vector<std::shared_ptr<std::optional<Result<cloud::TokenAnswer>>>> hanging;
  std::size_t posts = 0;
  const auto fill = [&](const Office& office, std::ptrdiff_t count) {
    for (std::ptrdiff_t n = 0; n < count; ++n) hanging.push_back(begin(office, intent(), 1));
    posts += static_cast<std::size_t>(count);
    base::drive_until(loop, [&] { return provider.bodies.size() == posts; });
  };
  const auto refused = [&](const Office& office) {
    const auto answer = exchange(office, intent(), 1);
    EXPECT_EQ(reason(answer), "too_many_exchanges");
    EXPECT_TRUE(answer || answer.error().retry_after);
  };
  fill(north, ExchangeDesk::kForCodes.of_office_at_app);
  refused(north);
  for (auto full = ExchangeDesk::kForCodes.of_office_at_app; full < ExchangeDesk::kForCodes.of_app;
       full += ExchangeDesk::kForCodes.of_office_at_app)
    fill(enrol(), ExchangeDesk::kForCodes.of_office_at_app);
  refused(south);
  provider.holds_only = "acme";
  sides.app = "other";
  sides.side.endpoint = "https://other.example/token";
  for (const auto* office : {&north, &south}) {
    provider.answers = {FakeProvider::tokens("rt-1")};
    auto elsewhere = request(*office, intent(), 1, code_form());
    elsewhere.target.app = "other";
    const auto answer = run(desk->exchange(office->enrolment, std::move(elsewhere), entropy.bytes(16)));
    EXPECT_TRUE(answer) << reason(answer);
  }
  provider.holds = false;
  released.notify_all();
  base::drive_until(loop, [&] { return std::ranges::all_of(hanging, [](const auto& each) { return each->has_value(); }); });
}

TEST_F(Desk, S4_CodesHavePlacesOfTheirOwnAndAreAskedForAgainInASecond) {
  static_assert(ExchangeDesk::kForCodes.of_office_at_app >= 100);
  const auto office = enrol();
  provider.answers = {FakeProvider::tokens("rt-1")};
  const auto first = intent();
  const auto answer = exchange(office, first, 1);
  const auto refresh_form = "grant_type=refresh_token&client_id=relay-at-acme&refresh_token=" + blob(office, first, *answer);
  provider.holds = true;
  std::vector<decltype(begin(office, first, 1))> under_way;
  const auto fill = [&](std::ptrdiff_t count, const std::string& form) {
    const auto posts = provider.bodies.size() + static_cast<std::size_t>(count);
    for (std::ptrdiff_t n = 0; n < count; ++n) under_way.push_back(begin(office, intent(), 1, form));
    base::drive_until(loop, [&] { return provider.bodies.size() == posts; });
  };
  const auto told_when = [&](const std::string& form) {
    const auto refused = exchange(office, intent(), 1, form);
    return reason(refused) == "too_many_exchanges" ? refused.error().retry_after : std::nullopt;
  };
  fill(ExchangeDesk::kForRefreshes.of_office_at_app, refresh_form);
  EXPECT_EQ(told_when(refresh_form), Seconds(5));
  fill(ExchangeDesk::kForCodes.of_office_at_app, code_form());
  EXPECT_EQ(told_when(code_form()), Seconds(1));
  provider.holds = false;
  released.notify_all();
  base::drive_until(loop, [&] { return std::ranges::all_of(under_way, [](const auto& each) { return each->has_value(); }); });
  // What refreshes were begun in this minute is not taken from the codes.
  for (std::int64_t n = 0; n < ExchangeDesk::kExchangesPerMinute; ++n) [[maybe_unused]] const auto used = exchange(office, intent(), 1, "grant_type=nonsense");
  provider.answers = {FakeProvider::tokens("rt-2")};
  EXPECT_TRUE(exchange(office, intent(), 1));
}

TEST_F(Desk, S4_ACodeGoesBeforeTheRefreshesThatWaitForTheDisk) {
  const auto office = enrol();
  std::promise<void> goes_on;
  auto slow = base::start_on(loop, disk.run([waits = goes_on.get_future().share()] { return waits.wait(), true; }));
  std::vector<std::shared_ptr<std::optional<Result<cloud::TokenAnswer>>>> refreshes;
  for (int n = 0; n < 90; ++n) refreshes.push_back(begin(office, intent(), 1, "grant_type=refresh_token"));
  const auto code = begin(office, intent(), 1, "grant_type=authorization_code");
  loop.run_for(Milliseconds(20));
  goes_on.set_value();
  auto before_it = std::ptrdiff_t{-1};
  const auto ended = [&] { return std::ranges::count_if(refreshes, [](const auto& each) { return each->has_value(); }); };
  base::drive_until(loop, [&] {
    if (before_it < 0 && code->has_value()) before_it = ended();
    return before_it >= 0 && ended() == 90;
  });
  EXPECT_LE(before_it, 45) << "it came last, and had ninety before it";
}

TEST_F(Desk, P7_WhatAProviderRepeatsOfASecretDoesNotReachTheOffice) {
  const auto office = enrol();
  auto refusal = std::get<net::Reply>(FakeProvider::refusal("invalid_client"));
  refusal.body = base::to_bytes(R"({"error":"invalid_client","error_description":"the secret s3cret is not known"})");
  provider.answers = {std::move(refusal)};
  const auto name = intent();
  const auto answer = exchange(office, name, 1);
  const auto opened = cloud::open_reply(office.keys, office.enrolment.office, name, answer->turn, answer->reply);
  EXPECT_EQ(opened.value().body.reveal_text(), R"({"error":"invalid_client","error_description":"the secret … is not known"})");
}

TEST_F(Desk, Attack_AnOfficeThatAsksForNonsenseInMassesMakesNobodyWait) {
  const auto mallory = enrol();
  const auto honest = enrol();
  std::promise<void> goes_on;
  auto slow = base::start_on(loop, disk.run([waits = goes_on.get_future().share()] {
    waits.wait();
    return true;
  }));
  std::vector<std::shared_ptr<std::optional<Result<cloud::TokenAnswer>>>> asked;
  for (int n = 0; n < 1000; ++n) asked.push_back(begin(mallory, intent(), 1, "grant_type=nonsense"));
  const auto ended = [&] { return std::ranges::count_if(asked, [](const auto& each) { return each->has_value(); }); };
  base::drive_until(loop, [&] { return ended() == 1000 - ExchangeDesk::kForRefreshes.asked_by_office; });
  for (const auto& each : asked) {
    if (each->has_value()) EXPECT_EQ((*each)->error().reason, "too_many_exchanges");
  }
  provider.answers = {FakeProvider::tokens("rt-1")};
  const auto good = begin(honest, intent(), 1);
  goes_on.set_value();
  base::drive_until(loop, [&] { return good->has_value() && ended() == 1000; });
  EXPECT_TRUE(**good);

  // Nor are there more in a minute, one after another, than any office needs.
  std::ptrdiff_t refused = 0;
  for (int n = 0; n < ExchangeDesk::kExchangesPerMinute; ++n) {
    const auto answer = exchange(mallory, intent(), 1, "grant_type=nonsense");
    ASSERT_FALSE(answer);
    refused += answer.error().reason == "too_many_exchanges" ? 1 : 0;
  }
  EXPECT_EQ(refused, ExchangeDesk::kForRefreshes.asked_by_office);
  provider.answers = {FakeProvider::tokens("rt-2")};
  EXPECT_TRUE(exchange(honest, intent(), 1)) << "another's budget is its own";
}

TEST_F(Desk, S4_NothingIsLetGoBeforeTheOfficesHaveHadTimeToComeForIt) {
  const auto office = enrol();
  const auto name = intent();
  provider.answers = {FakeProvider::tokens("rt-1")};
  const auto first = exchange(office, name, 1);
  wall.advance(store::kReplyKeptFor * 2);
  restart();  // it was off all that while
  EXPECT_EQ(waiting(), 1);
  EXPECT_EQ(exchange(office, name, 1)->reply, first->reply);
  steady.advance(ExchangeDesk::kUpBeforeForgetting - Seconds(1));
  EXPECT_EQ(waiting(), 1);
  steady.advance(Seconds(1));
  EXPECT_EQ(waiting(), 0);
  const auto lapsed = exchange(office, name, 1);
  ASSERT_TRUE(lapsed) << reason(lapsed);
  EXPECT_TRUE(lapsed->reply.empty()) << "not known, and not posted again";
  EXPECT_EQ(provider.bodies.size(), 1U);
}

TEST_F(Desk, S4_NothingIsLetGoForAClockThatWasSetForwardOrAMachineThatSlept) {
  const auto office = enrol();
  const auto name = intent();
  provider.answers = {FakeProvider::tokens("rt-1")};
  const auto first = exchange(office, name, 1);
  const auto pass = [&](Seconds span) {
    steady.advance(span);
    wall.advance(span);
  };
  for (int hour = 0; hour < 7; ++hour) {  // long up, as every minute's tidy knows
    pass(std::chrono::hours(1));
    EXPECT_EQ(waiting(), 1);
  }
  wall.advance(store::kReplyKeptFor * 2);
  pass(Seconds(60));
  EXPECT_EQ(waiting(), 1) << "no office had a week to come for it";
  pass(ExchangeDesk::kUpBeforeForgetting - Seconds(1));
  EXPECT_EQ(waiting(), 1);
  EXPECT_EQ(exchange(office, name, 1)->reply, first->reply);
  // A clock that is led by little, or set back, holds nothing up.
  wall.advance(ExchangeDesk::kWallAheadMax);
  EXPECT_EQ(waiting(), 1);
  wall.set(wall.now() - Seconds(3600));
  EXPECT_EQ(waiting(), 1);
  wall.advance(store::kReplyKeptFor + Seconds(3601));
  steady.advance(store::kReplyKeptFor + Seconds(3601));
  EXPECT_EQ(waiting(), 0);
}

TEST_F(Desk, S4_RegistrationsInAnotherModeAndNonsenseAreRefused) {
  const auto office = enrol();
  sides.side.mode = Mode::forward;
  EXPECT_EQ(reason(exchange(office, intent(), 1)), "not_exchanged");
  sides.side.mode = Mode::exchange;
  EXPECT_EQ(reason(exchange(office, "no-id", 1)), "token_request_malformed");
  EXPECT_EQ(reason(exchange(office, intent(), 1, "grant_type=password")), "token_request_refused");
  auto elsewhere = request(office, intent(), 1, code_form());
  elsewhere.target.app = "other";
  EXPECT_EQ(reason(run(desk->exchange(office.enrolment, std::move(elsewhere), entropy.bytes(16)))), "app_unknown");
  EXPECT_TRUE(provider.bodies.empty());
}

class DeskThatStops : public Desk {
 protected:
  // A stop that has begun: nothing new is taken on from here. Its value is there when it is over.
  auto stop_begun(const Office& office) {
    auto stopping = base::start_on(loop, stopped());
    const auto late = begin(office, intent(), 1);
    base::drive_until(loop, [&] { return late->has_value(); });
    EXPECT_EQ(reason(**late), "shutting_down");
    return stopping;
  }
};

TEST_F(DeskThatStops, F4_StoppingWaitsForWhatIsUnderWayAndBeginsNothing) {
  const auto office = enrol();
  provider.answers = {FakeProvider::tokens("rt-1")};
  provider.holds = true;
  const auto under_way = begin(office, intent(), 1);
  base::drive_until(loop, [&] { return !provider.bodies.empty(); });
  const auto stopping = stop_begun(office);
  EXPECT_FALSE(stopping->has_value());
  provider.holds = false;
  released.notify_all();
  base::drive_until(loop, [&] { return stopping->has_value(); });
  EXPECT_FALSE((**under_way)->reply.empty());
}

TEST_F(DeskThatStops, F4_AStopWaitsForOnePostAndNotForTheSecondSecret) {
  sides.side.second_secret = std::make_shared<const Secret>(std::string_view("n3w"));
  const auto office = enrol();
  provider.answers = {FakeProvider::refusal("invalid_client"), FakeProvider::tokens("rt-1")};
  provider.holds = true;
  const auto under_way = begin(office, intent(), 1);
  base::drive_until(loop, [&] { return !provider.bodies.empty(); });
  const auto stopping = stop_begun(office);
  provider.holds = false;
  released.notify_all();
  base::drive_until(loop, [&] { return stopping->has_value() && under_way->has_value(); });
  EXPECT_EQ(reason(**under_way), "shutting_down") << "nothing is spent; it is asked for again";
  EXPECT_EQ(provider.bodies.size(), 1U);
}

}  // namespace
}  // namespace latchkey::relay
