// A first exchange by a way that keeps answers and may not be heard (RULES S4): its answer is asked for until it is here or known to be nowhere.
#include <gmock/gmock.h>

#include "grants/authorization_testing.h"
#include "store/exchange_book.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;

// Posts what it is given, and says so only when it is asked for the last of `unheard` times.
class UnheardWay final : public TokenWay {
 public:
  explicit UnheardWay(int unheard) : unheard_(unheard) {}
  std::vector<IntentId> asked;
  std::vector<bool> with_code;
  int revoked = 0;
  bool knows_nothing = false;
  std::optional<Error> says{};  // instead

  Task<TokenAnswered> send(TokenErrand errand) override {
    asked.push_back(errand.intent);
    with_code.push_back(errand.call.body && errand.call.body->reveal_text().find("code=c1") != std::string_view::npos);
    if (says) co_return TokenAnswered{.outcome = net::NothingSent{*says}, .turn = errand.turn};
    if (knows_nothing) {
      co_return TokenAnswered{.outcome = net::NothingSent{{.kind = ErrorKind::misconfigured, .reason = "cloud_token_request_refused", .text = "It refuses."}},
                              .turn = errand.turn};
    }
    if (static_cast<int>(asked.size()) <= unheard_) {
      co_return TokenAnswered{.outcome = net::NothingSent{{.kind = ErrorKind::unavailable, .reason = "cloud_service_unreachable", .text = "It does not answer."}},
                              .turn = errand.turn};
    }
    co_return TokenAnswered{.outcome = ScriptedTransport::json(200, R"({"access_token":"at-bob","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-bob","scope":"files","account":"bob"})"),
                            .turn = errand.turn};
  }
  [[nodiscard]] bool goes_on_unheard() const override { return true; }
  Task<net::HttpOutcome> revoke(GrantId, net::HttpCall) override {
    ++revoked;
    co_return ScriptedTransport::json(200, "");
  }
  void kept(IntentId, std::int64_t) override {}

 private:
  int unheard_;
};

class DeskByAWay : public DeskHouse {
 protected:
  // The app's requests go that way from now on.
  std::shared_ptr<UnheardWay> by_way(int unheard, const std::string& app_id = "acme") {
    auto way = std::make_shared<UnheardWay>(unheard);
    clients->set_ways([way](const CloudRoute&, const std::string&, const catalog::ParameterValues&, const catalog::ParameterValues&) { return way; });
    auto app = **run(store->app(app_id));
    app.params_json = params_with_route({}, {.address = "https://relay.example", .app = app_id, .redirect_uri = "https://relay.example/callback/" + app_id,
                                             .mode = cloud::Mode::exchange});
    sealing.vouch(app);
    commit({store::PutApp{app}});
    clients->forget(app_id);
    return way;
  }
  // The server stops when the way has been asked once; the next one asks it for what it may have kept, which is nothing.
  void expect_taken_up_once(const Conversation& talk, const std::string& app_id, UnheardWay& way) {
    const auto waits = base::start_on(loop, desk->callback(app_id, talk.query, talk.cookies));
    base::drive_until(loop, [&] { return way.asked.size() == 1 || waits->has_value(); });
    ASSERT_EQ(way.asked.size(), 1U) << (waits->has_value() ? (*waits)->text : "");
    const auto stopping = base::start_on(loop, stop_desk());
    base::drive_until(loop, [&] { return stopping->has_value() && waits->has_value(); });

    way.knows_nothing = true;
    start_desk_anew();
    ASSERT_TRUE(run(keeper->start()));
    base::drive_until(loop, [&] { return seen(talk.id).state != AuthorizationState::pending; });
    EXPECT_EQ(seen(talk.id).state, AuthorizationState::failed);
    EXPECT_EQ(seen(talk.id).problem_code, "answer_lost");
    EXPECT_EQ(way.asked.size(), 2U);
  }
};

// Time moves in these by a pause each, once the way has been asked: run() would move it at every step.
TEST_F(DeskByAWay, S4_ACodeThatMayHaveBeenPostedIsAskedAboutUnderItsIntentWhileTheConsentIsPending) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  const auto way = by_way(6);
  const auto page = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  for (std::size_t asked = 1; asked <= 7; ++asked) {
    base::drive_until(loop, [&] { return way->asked.size() == asked || page->has_value(); });
    ASSERT_EQ(way->asked.size(), asked) << (page->has_value() ? (*page)->text : "");
    if (asked < 7) advance(5s);
  }
  base::drive_until(loop, [&] { return page->has_value(); });
  EXPECT_TRUE((*page)->succeeded) << (*page)->text;
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::completed) << seen(begun.id).problem_text;
  EXPECT_TRUE(exists("scan"));
  for (const auto& intent : way->asked) EXPECT_EQ(intent, way->asked.front());
}

TEST_F(DeskByAWay, S4_F7_WhatACodeBroughtThatWasCancelledMeanwhileIsAskedForAndGivenBack) {
  const auto cancelled = begin(wish("scan"));
  const auto first = open_start(cancelled);
  const auto way = by_way(3);
  const auto page = base::start_on(loop, desk->callback("acme", first.query, first.cookies));
  base::drive_until(loop, [&] { return way->asked.size() == 1; });
  advance(5s);
  base::drive_until(loop, [&] { return way->asked.size() == 2; });
  const auto cancelling = base::start_on(loop, desk->cancel(cancelled.id, {.actor = "anna"}));
  base::drive_until(loop, [&] { return cancelling->has_value() && page->has_value(); });
  ASSERT_TRUE(**cancelling) << (**cancelling).error().text;
  expected_givings = 1;
  for (std::size_t asked = 3; asked <= 4; ++asked) {
    advance(5s);
    base::drive_until(loop, [&] { return way->asked.size() == asked; });
  }
  settle_giving_back();
  EXPECT_EQ(way->revoked, 1);
  EXPECT_FALSE(exists("scan"));
  EXPECT_EQ(seen(cancelled.id).state, AuthorizationState::cancelled);
}

TEST_F(DeskByAWay, S4_WhoeverStopsTheServerWaitsForNoWayAndTheNextStartTakesTheCodeUp) {
  const auto begun = begin(wish("print"));
  const auto talk = open_start(begun);
  const auto way = by_way(2);
  const auto waits = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  base::drive_until(loop, [&] { return way->asked.size() == 1; });
  const auto stopping = base::start_on(loop, stop_desk());
  base::drive_until(loop, [&] { return stopping->has_value() && waits->has_value(); });
  EXPECT_EQ(way->asked.size(), 1U) << "no time has passed, and none was waited for";
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::pending);

  advance(20min);  // past the attempt's own time
  start_desk_anew();
  ASSERT_TRUE(run(keeper->start()));
  desk->start_sweeping();
  base::drive_until(loop, [&] { return way->asked.size() == 2; });
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::pending) << "its answer may be there";
  advance(5s);
  base::drive_until(loop, [&] { return seen(begun.id).state != AuthorizationState::pending; });
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::completed) << seen(begun.id).problem_text;
  EXPECT_EQ(refresh_token(view(seen(begun.id).grant)), "rt-bob");
  for (const auto& intent : way->asked) EXPECT_EQ(intent, way->asked.front());
}

// A code of a minute, and a service that has no place for it meanwhile.
TEST_F(DeskByAWay, S4_ACodeThatIsOverIsNotSentAnyMoreAndTheAttemptSaysSo) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  const auto way = by_way(0);
  way->says = Error{.kind = ErrorKind::unavailable, .reason = "cloud_too_many_exchanges", .text = "It has enough under way.", .retry_after = Seconds(1)};
  const auto page = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  base::drive_until(loop, [&] { return way->asked.size() == 1; });
  advance(1s);
  base::drive_until(loop, [&] { return way->asked.size() == 2; });  // as soon as it says
  const auto until = steady.now() + 60s;
  while (steady.now() < until) {
    advance(8s);
    const auto asked = way->asked.size();
    base::drive_until(loop, [&] { return way->asked.size() > asked; });
  }
  EXPECT_TRUE(way->with_code.front());
  EXPECT_FALSE(way->with_code.back()) << "it is over, and what it has brought is asked for all the same";
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::pending);
  way->says = Error{.kind = ErrorKind::misconfigured, .reason = "cloud_token_request_refused", .text = "It keeps nothing."};
  advance(9s);
  base::drive_until(loop, [&] { return seen(begun.id).state != AuthorizationState::pending; });
  EXPECT_EQ(seen(begun.id).problem_code, "code_over");
  EXPECT_NE(seen(begun.id).problem_text.find("60 seconds"), std::string::npos) << seen(begun.id).problem_text;
}

// Nobody wants it any more, and it lies at the service: after a restart, too, it is fetched, and its tokens are revoked.
TEST_F(DeskByAWay, S4_F7_WhatWasCancelledBeforeItsAnswerCameIsGivenBackThoughTheServerWasStoppedMeanwhile) {
  const auto cancelled = begin(wish("print"));
  const auto talk = open_start(cancelled);
  const auto way = by_way(1);
  const auto waits = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  base::drive_until(loop, [&] { return way->asked.size() == 1; });
  const auto cancelling = base::start_on(loop, desk->cancel(cancelled.id, {.actor = "anna"}));
  base::drive_until(loop, [&] { return cancelling->has_value() && waits->has_value(); });
  const auto stopping = base::start_on(loop, stop_desk());
  base::drive_until(loop, [&] { return stopping->has_value(); });
  ASSERT_EQ(way->asked.size(), 1U);

  advance(std::chrono::days(6));
  start_desk_anew();
  desk->start_sweeping();
  for (int turn = 0; turn < 50; ++turn) loop.run_for(1ms);
  ASSERT_TRUE(run(keeper->start()));
  settle_giving_back();
  EXPECT_EQ(way->revoked, 1);
  EXPECT_EQ(way->asked.size(), 2U);
  EXPECT_EQ(way->asked.front(), way->asked.back());
  EXPECT_EQ(seen(cancelled.id).state, AuthorizationState::cancelled);
  EXPECT_FALSE(exists("print"));
  base::drive_until(loop, [&] { return run(store->open_intents(10))->empty(); });
}

TEST_F(DeskByAWay, S4_AnAnswerIsAskedForAsLongAsAServiceKeepsIt) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  const auto way = by_way(100'000);
  const auto page = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  base::drive_until(loop, [&] { return way->asked.size() == 1; });
  desk->start_sweeping();
  const auto pass = [&](Seconds time) {
    for (const auto until = wall.now() + time; wall.now() < until;) {
      advance(11min);
      for (int step = 0; step < 4; ++step) loop.run_for(1ms);
    }
  };
  pass(store::kReplyKeptFor - 2h);
  ASSERT_EQ(seen(begun.id).state, AuthorizationState::pending);
  const auto asked = way->asked.size();
  pass(1h);
  EXPECT_GT(way->asked.size(), asked);
  for (const auto latest = wall.now() + 3h; seen(begun.id).state == AuthorizationState::pending && wall.now() < latest;) pass(11min);
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::failed);
  EXPECT_EQ(seen(begun.id).problem_code, "answer_lost");
}

TEST_F(DeskByAWay, S4_ACodeThatNeverReachedTheWayIsTakenUpOnce) {
  const auto begun = begin(wish("print"));
  const auto talk = open_start(begun);
  const auto way = by_way(1);
  expect_taken_up_once(talk, "acme", *way);
  EXPECT_FALSE(exists("print"));
}

// ShareFile's callback says where its token endpoint is, so no address was pinned when the browser went there.
TEST_F(DeskByAWay, S4_ACodeWhoseTokenEndpointTheCallbackNamedIsTakenUpAsWell) {
  put_app("sharefile", 1, "sharefile");
  auto app = **run(store->app("sharefile"));
  app.token_origin = catalogue->token_origin(*catalogue->find_provider("sharefile"), {}, oauth::PlainHttp::refused).value_or("");
  sealing.vouch(app);
  commit({store::PutApp{app}});
  clients->forget("sharefile");
  auto wanted = wish("print", "sharefile");
  wanted.app = "sharefile";
  const auto begun = begin(std::move(wanted));
  auto talk = open_start(begun);
  talk.query += "&subdomain=acme&appcp=sharefile.com&apicp=sf-api.com";
  const auto way = by_way(1, "sharefile");
  expect_taken_up_once(talk, "sharefile", *way);
}

// The relay has answered and its answer was lost; then it refuses this server's questions, for a reason of their own.
TEST_F(DeskByAWay, S4_ARefusalThatSaysNothingOfTheAnswerEndsNoConsent) {
  const std::string reasons[] = {"cloud_clock_differs",     "cloud_request_repeated",    "cloud_signature_wrong", "cloud_enrolment_revoked",
                                 "cloud_exchanges_nothing", "cloud_address_not_allowed", "cloud_answer_malformed"};
  std::vector<Conversation> talks;
  for (const auto& reason : reasons) talks.push_back(open_start(begin(wish(reason))));
  for (std::size_t n = 0; n < talks.size(); ++n) {
    const auto& reason = reasons[n];
    const auto id = talks[n].id;
    const auto way = by_way(1);
    const auto page = base::start_on(loop, desk->callback("acme", talks[n].query, talks[n].cookies));
    base::drive_until(loop, [&] { return way->asked.size() == 1; });
    way->says = Error{.kind = ErrorKind::misconfigured, .reason = reason, .text = "It refuses this one question."};
    for (std::size_t asked = 2; asked <= 5; ++asked) {
      advance(10s);
      base::drive_until(loop, [&] { return way->asked.size() == asked || page->has_value(); });
      ASSERT_FALSE(page->has_value()) << reason << ": " << (*page)->text;
    }
    ASSERT_EQ(seen(id).state, AuthorizationState::pending) << reason << ": what lies at the service is not lost";
    way->says = {};
    advance(10s);
    base::drive_until(loop, [&] { return page->has_value(); });
    // All of them are bob's: the first has the account, and of the others it is asked whether they shall.
    EXPECT_EQ(seen(id).state, n == 0 ? AuthorizationState::completed : AuthorizationState::needs_confirmation) << reason << ": " << seen(id).problem_text;
    if (n > 0) ASSERT_TRUE(run(desk->cancel(id, {.actor = "anna"})));
  }
}

TEST_F(DeskByAWay, S4_TheLongerAnAnswerIsAskedForTheRarer) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  const auto way = by_way(1'000);
  const auto page = base::start_on(loop, desk->callback("acme", talk.query, talk.cookies));
  base::drive_until(loop, [&] { return way->asked.size() == 1; });
  for (int turn = 0; turn < 700; ++turn) {
    advance(5s);
    for (int step = 0; step < 4; ++step) loop.run_for(1ms);
  }
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::pending);
  EXPECT_GT(way->asked.size(), 30U);
  EXPECT_LT(way->asked.size(), 60U) << "seven hundred would be a question every five seconds";
}

}  // namespace
}  // namespace latchkey::grants
