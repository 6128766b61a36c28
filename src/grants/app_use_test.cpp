// Tokens that wait here hold their app registration to the place they came from; should it stand for another one all the same, they are
// sent nowhere: RULES F7, F8, K6.
#include "grants/app_use.h"

#include "grants/app_registry.h"
#include "grants/authorization_testing.h"
#include "grants/flow_place.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;

// Where it is, is a value of the registration.
constexpr std::string_view kMovable = R"({
  "schema": 1, "id": "movable", "name": "Movable", "seen_on": "2026-11-29",
  "parameters": [{"name": "instance", "label": "Instance", "kind": "url", "owner": "app", "required": true, "hint": "Where it is."}],
  "endpoints": {"issuer": "{instance}", "authorization": "{instance}/authorize", "token": "{instance}/token", "revocation": "{instance}/revoke"},
  "revocation": {"shape": "form", "token": "refresh_token"},
  "client_authentication": ["none"], "pkce": true, "code_lifetime_s": 60,
  "redirect": {"https_required": true, "http_localhost": true, "note": "none"},
  "account": {"source": "reply", "id": ["account"], "name": ["account"]},
  "steps": [{"text": "one"}, {"text": "two"}, {"text": "three"}],
  "types": [
    {"id": "movable", "name": "Movable", "kind": "storage", "scopes": {"request": [{"scope": "files", "why": "x"}]},
     "resource": "https://movable.example", "rotation": "single_use", "replay": "revokes_family"}
  ]})";

class Moving : public DeskHouse {
 protected:
  Moving() {
    const auto with_movable = catalogue->with_file("movable.json", kMovable);
    EXPECT_TRUE(with_movable) << (with_movable ? "" : with_movable.error().text + with_movable.error().detail);
    catalogue = *with_movable;
    run(stop_desk());
    desk.reset();
    run(stop_keeper());
    start();
    start_desk_anew();
    uses.set_attempts([this](std::string app) { return desk->has_unfinished(std::move(app)); });
    registry = std::make_unique<AppRegistry>(*store, sealing, *clients, *keeper, alerts, expiry, uses, wall);
    const auto entered = put("https://old.example");
    EXPECT_TRUE(entered) << (entered ? "" : entered.error().text);
  }

  Result<AppView> put(const std::string& instance) {
    return run(registry->put({.id = "movable", .provider = "movable", .client_id = "client", .params = {{"instance", instance}}, .secrets = {}},
                             {.actor = "anna"}));
  }
  Result<void> remove() { return run(registry->remove("movable", {.actor = "anna"})); }
  // As in the moment between a question and its deed.
  void moves_all_the_same() {
    auto app = **run(store->app("movable"));
    app.token_origin = "https://new.example";
    app.params_json = json_of_values({{"instance", "https://new.example"}});
    sealing.vouch(app);
    commit({store::PutApp{app}});
    clients->forget("movable");
  }
  void expect_refused(std::string_view words) {
    const auto moved = put("https://new.example");
    ASSERT_FALSE(moved) << words;
    EXPECT_EQ(moved.error().reason, "app_in_use");
    EXPECT_NE(moved.error().text.find(words), std::string::npos) << moved.error().text;
    EXPECT_EQ(values_of_json((*run(store->app("movable")))->params_json).at("instance"), "https://old.example");
  }
  void expect_kept(std::string_view words) {
    const auto removed = remove();
    ASSERT_FALSE(removed) << words;
    EXPECT_EQ(removed.error().reason, "app_in_use");
    EXPECT_NE(removed.error().text.find(words), std::string::npos) << removed.error().text;
  }
  Begun begin_here() {
    auto what = wish("scan", "movable");
    what.app = "movable";
    return begin(std::move(what), {.actor = "anna", .session_hash = Bytes(32, 1)});
  }
  CallbackPage come_back_here(const Conversation& talk) {
    answer_as("bob");
    return run(desk->callback("movable", talk.query, talk.cookies));
  }
  AuthorizationId held_here() {
    const auto begun = begin_here();
    come_back_here(open_start(begun, Bytes(32, 2)));
    EXPECT_EQ(seen(begun.id).state, AuthorizationState::held);
    return begun.id;
  }
  std::vector<store::Revocation> waiting() { return run(store->revocations(WallTime::max(), 100))->items; }
  // Nothing but what the consent itself took, and it was told.
  void expect_sent_nowhere(std::size_t posts) {
    base::drive_until(loop, [&] { return counters.not_given_back == 1 && waiting().empty(); });
    EXPECT_EQ(transport.bodies.size(), posts);
    EXPECT_TRUE(transport.revoked.empty()) << transport.revoked.front();
    const auto told = alerts.current();
    EXPECT_TRUE(std::ranges::any_of(told, [](const auto& alert) { return alert.words.find("stands for another place now") != std::string::npos; }));
    EXPECT_EQ(run(store->audit({.action = "grant.not_revoked"}))->total, 1);
  }

  AppUses uses{*store};
  SecretExpiry expiry{*store, wall, alerts};
  std::unique_ptr<AppRegistry> registry;
};

TEST_F(Moving, F8_AnAttemptThatHasBegunHoldsItsAppWhereItIs) {
  const auto begun = begin_here();
  ASSERT_TRUE(put("https://old.example"));
  ASSERT_TRUE(put("https://new.example")) << "nobody has gone to the provider yet";
  ASSERT_TRUE(put("https://old.example"));
  const auto talk = open_start(begun, Bytes(32, 2));
  expect_refused("is under way or waits for an answer");
  expect_kept("Approve, reject or cancel it first");
  come_back_here(talk);
  ASSERT_EQ(seen(begun.id).state, AuthorizationState::held);
  expect_refused("is under way or waits for an answer");
  expect_kept("Approve, reject or cancel it first");
  ASSERT_TRUE(put("https://old.example")) << "at the same place it may be saved";
}

TEST_F(Moving, F8_OfAnotherAppNothingHoldsIt) {
  held("print", "carol");
  EXPECT_TRUE(put("https://new.example"));
  EXPECT_TRUE(remove());
}

TEST_F(Moving, F7_TokensOnTheirWayBackHoldTheirAppWhereItIs) {
  const auto id = held_here();
  transport.revoke_status = 503;
  ASSERT_TRUE(run(desk->confirm(id, Answer::reject, seen(id).question, {.actor = "anna"})));
  base::drive_until(loop, [&] { return waiting().size() == 1 && waiting()[0].version == 3; });
  expect_refused("wait to be given back");
  expect_kept("wait to be given back");
  transport.revoke_status = 200;
  advance(6h);
  giving_back->nudge();
  base::drive_until(loop, [&] { return waiting().empty(); });
  EXPECT_TRUE(was_revoked("rt-bob"));
  EXPECT_TRUE(put("https://new.example"));
  EXPECT_TRUE(remove());
}

TEST_F(Moving, F8_AGrantHoldsIt) {
  const auto id = held_here();
  ASSERT_TRUE(run(desk->confirm(id, Answer::accept, seen(id).question, {.actor = "anna"})));
  ASSERT_EQ(seen(id).state, AuthorizationState::completed);
  expect_refused("stay with it for life");
  expect_kept("Grants depend on this app");
}

// ---- it has come to stand for another place all the same ---------------------------------------------------------------

TEST_F(Moving, Attack_AConsentIsNotApprovedForAnotherPlaceThanItCameFrom) {
  const auto id = held_here();
  const auto posts = transport.bodies.size();
  moves_all_the_same();
  const auto answered = run(desk->confirm(id, Answer::accept, seen(id).question, {.actor = "anna"}));
  ASSERT_TRUE(answered) << answered.error().text;
  EXPECT_EQ(answered->state, AuthorizationState::failed);
  EXPECT_EQ(answered->problem_code, "endpoints_changed");
  EXPECT_NE(answered->problem_text.find("Press Authorize again"), std::string::npos);
  EXPECT_FALSE(exists("scan"));
  EXPECT_EQ(run(store->audit({.action = "authorization.failed"}))->total, 1);
  expect_sent_nowhere(posts);
}

TEST_F(Moving, Attack_WhatIsRejectedIsNotGivenBackAtAnotherPlace) {
  const auto id = held_here();
  const auto posts = transport.bodies.size();
  moves_all_the_same();
  ASSERT_TRUE(run(desk->confirm(id, Answer::reject, seen(id).question, {.actor = "anna"})));
  EXPECT_EQ(seen(id).state, AuthorizationState::cancelled);
  expect_sent_nowhere(posts);
}

TEST_F(Moving, Attack_WhatExpiresIsNotGivenBackAtAnotherPlace) {
  const auto id = held_here();
  const auto posts = transport.bodies.size();
  moves_all_the_same();
  advance(kQuestionLifetime + 1s);
  ASSERT_TRUE(run(keeper->start()));
  desk->start_sweeping();
  base::drive_until(loop, [&] { return seen(id).state == AuthorizationState::expired; });
  expect_sent_nowhere(posts);
}

TEST_F(Moving, Attack_AnIssuerThatNamesAnothersTokenEndpointIsAnotherPlace) {
  ProviderClient client;
  client.endpoints.issuer = "https://new.example";
  client.endpoints.token = "https://old.example/token";
  FlowRecord record;
  record.issuer = "https://old.example";
  record.token_endpoint = "https://old.example/token";
  EXPECT_FALSE(is_where_it_began(record, client)) << "it would name its own revocation endpoint";
  client.endpoints.issuer = "https://old.example";
  EXPECT_TRUE(is_where_it_began(record, client));
}

TEST_F(Moving, Attack_AnAnswerInTheJournalIsNotTakenToAnotherPlace) {
  const auto begun = begin_here();
  open_start(begun, Bytes(32, 2));
  moves_all_the_same();
  const auto intent = IntentId::make(wall.now(), entropy);
  const auto entry = left_in_journal(intent, exchange_id(begun.id), 0, wall.now(),
                                     R"({"access_token":"at-bob","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-bob","scope":"files","account":"bob"})");
  ASSERT_TRUE(run(desk->recover(entry)));
  EXPECT_EQ(seen(begun.id).state, AuthorizationState::failed);
  EXPECT_EQ(seen(begun.id).problem_code, "endpoints_changed");
  expect_sent_nowhere(0);
}

// Where tokens of a grant came from is known from the first attempt on.
TEST_F(Moving, Attack_TokensOfAGrantThatWaitAreNotGivenBackAtAnotherPlace) {
  const auto id = held_here();
  ASSERT_TRUE(run(desk->confirm(id, Answer::accept, seen(id).question, {.actor = "anna"})));
  transport.revoke_status = 503;
  ASSERT_TRUE(run(desk->undo(id, {.actor = "anna"})));
  base::drive_until(loop, [&] { return waiting().size() == 1 && waiting()[0].version == 3; });
  EXPECT_EQ(transport.revoked.size(), 1u);
  transport.revoked.clear();
  const auto posts = transport.bodies.size();
  moves_all_the_same();
  advance(6h);
  giving_back->nudge();
  expect_sent_nowhere(posts);
}

TEST_F(Moving, S1_OfAServicesRegistrationThatIsGoneItSaysWhereToEnrol) {
  const auto gone = run(clients->client_for("movable", "cloud-movable-0", "{}", "{}"));
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().reason, "app_missing");
  EXPECT_NE(gone.error().text.find("Enrol this server at that Cloud Service again"), std::string::npos) << gone.error().text;
  EXPECT_EQ(gone.error().text.find("Register one"), std::string::npos);
}

}  // namespace
}  // namespace latchkey::grants
