// The authorisation desk among real neighbours, with time that stands still: what races, what expires, what is taken back.
#include "grants/authorization_desk.h"

#include <algorithm>

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

// Names as they come, any PIN, no Argon2id.
class PlainEnrolment final : public Enrolment {
 public:
  explicit PlainEnrolment(const vault::Vault& vault) : vault_(vault) {}
  Result<CleanName> username(std::string_view typed) const override { return CleanName{std::string(typed), std::string(typed)}; }
  Result<CleanName> group_name(std::string_view typed) const override { return CleanName{std::string(typed), std::string(typed)}; }
  Result<Secret> new_pin(const Secret& typed, std::string_view) const override { return typed.clone(); }
  Task<Result<store::User>> with_new_keys(store::User user, Secret) override {
    const auto pair = vault_.make_key_pair();
    user.public_key.assign(pair.public_key.begin(), pair.public_key.end());
    user.private_key_wrapped = Bytes(8, 1);
    co_return user;
  }
  Task<Result<void>> check_pin(store::User, Secret, std::string) override { co_return Result<void>{}; }
  void vouch(store::User&) const override {}
  Result<void> check(const store::User&) const override { return {}; }
  void changed(const store::User&) override {}

 private:
  const vault::Vault& vault_;
};

class DeskHouse : public KeeperHouse {
 protected:
  using Confirmed = Authorizer::Confirmed;
  using Answer = Authorizer::Answer;

  DeskHouse() {
    desk = std::make_unique<AuthorizationDesk>(AuthorizationDesk::Parts{
        .store = *store, .journal = journal, .exchange = *exchange, .clients = *clients, .keeper = *keeper, .giving_back = *giving_back,
        .counters = counters, .vault = vault, .sealing = sealing, .enrolment = enrolment, .transport = transport, .watcher = *this,
        .wall = wall, .entropy = entropy, .log = log, .executor = loop.get_executor(), .node = node,
        .pending_lifetime = [] { return Seconds(10min); }, .tuning = [] { return KeeperTuning{}; }});
    giving_back->set_waiting(
        [it = desk.get()](std::string app, std::string account) { return it->holds_consent(std::move(app), std::move(account)); });
    group = {.id = GroupId::make(wall.now(), entropy), .name = "Office", .name_key = "office", .created_at = wall.now()};
    commit({store::InsertGroup{group}});
  }
  ~DeskHouse() override {
    run(stop_desk());
    run(stop_keeper());  // what is given back may ask the desk
    desk.reset();
  }
  Task<bool> stop_desk() {
    co_await desk->stop();
    co_return true;
  }

  AuthorizationWish wish(std::string username, std::string type = "acme-family") {
    AuthorizationWish made;
    made.group = group.id;
    made.username = std::move(username);
    made.type = std::move(type);
    made.app = "acme";
    made.pin = Secret("k7mq2xw9pd");
    return made;
  }
  // Of a consent or an import: the account, and tokens named after it.
  void answer_as(const std::string& account) {
    transport.then(T::json(200, R"({"access_token":"at-)" + account + R"(","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-)" + account +
                                    R"(","scope":"files","account":")" + account + R"("})"));
  }
  // What a browser carries from the start address to the callback.
  struct Conversation {
    AuthorizationId id;
    std::string query;
    Parameters cookies;
  };
  std::string ticket_of(const Begun& begun) { return begun.start_url.substr(begun.start_url.rfind('/') + 1); }
  Conversation open_start(const Begun& begun, Bytes session = {}) {
    const auto page = run(desk->start(ticket_of(begun), std::move(session), Confirmed::yes));
    EXPECT_TRUE(page) << (page ? "" : page.error().text);
    if (!page) return {};
    const auto at = page->location.find("state=") + 6;
    const auto equals = page->cookie.find('=');
    return {.id = begun.id, .query = "code=c1&state=" + page->location.substr(at, page->location.find('&', at) - at),
            .cookies = {{page->cookie.substr(0, equals), page->cookie.substr(equals + 1, page->cookie.find(';') - equals - 1)}}};
  }
  CallbackPage come_back(const Conversation& talk) { return run(desk->callback("acme", talk.query, talk.cookies)); }
  Begun begin(AuthorizationWish what, Requester who = {.actor = "cli"}) {
    auto begun = run(desk->begin(std::move(what), std::move(who)));
    EXPECT_TRUE(begun) << (begun ? "" : begun.error().text);
    return begun ? *begun : Begun{};
  }
  // A whole consent.
  AuthorizationView authorise(AuthorizationWish what, const std::string& account) {
    const auto begun = begin(std::move(what));
    const auto talk = open_start(begun);
    answer_as(account);
    EXPECT_TRUE(come_back(talk).succeeded);
    return seen(begun.id);
  }
  // One that waits for an administrator's approval (A4).
  AuthorizationId held(const std::string& username, const std::string& account) {
    const auto begun = begin(wish(username), {.actor = "anna", .session_hash = Bytes(32, 1)});
    const auto talk = open_start(begun, Bytes(32, 2));
    answer_as(account);
    come_back(talk);
    EXPECT_EQ(seen(begun.id).state, store::AuthorizationState::held);
    return begun.id;
  }
  AuthorizationView seen(const AuthorizationId& id) {
    const auto view = run(desk->view(id));
    EXPECT_TRUE(view) << (view ? "" : view.error().text);
    return view.value_or(AuthorizationView{});
  }
  std::vector<store::Grant> grants_of(const UserId& user) { return *run(store->grants_of_user(user)); }
  bool exists(const std::string& username) { return run(store->user_by_key(username))->has_value(); }
  [[nodiscard]] bool was_revoked(const std::string& token) const {
    return std::ranges::any_of(transport.revoked, [&](const std::string& body) { return body.find("token=" + token) != std::string::npos; });
  }
  void settle_giving_back() {
    base::drive_until(loop, [&] { return giving_back_idle(); });
  }
  bool giving_back_idle() { return counters.given_back + counters.not_given_back + logged("not_given_back") >= expected_givings; }

  using T = ScriptedTransport;
  PlainEnrolment enrolment{vault};
  std::unique_ptr<AuthorizationDesk> desk;
  store::Group group;
  int expected_givings = 1;
};

// ---- undo ------------------------------------------------------------------------------------------------------------

TEST_F(DeskHouse, UndoTakesANewUserBackWithItsGrant) {
  const auto made = authorise(wish("scan"), "bob");
  ASSERT_TRUE(run(desk->undo(made.id, {.actor = "anna"})));
  EXPECT_FALSE(exists("scan"));
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
}

TEST_F(DeskHouse, UndoLeavesWhatTheUserWasGivenSince) {
  const auto first = authorise(wish("scan"), "bob");
  auto second_wish = wish("", "acme-grace");
  second_wish.link_user = first.user;
  const auto second = authorise(std::move(second_wish), "carol");
  ASSERT_EQ(grants_of(first.user).size(), 2u);

  ASSERT_TRUE(run(desk->undo(first.id, {.actor = "anna"})));
  EXPECT_TRUE(exists("scan")) << "the second grant lives by this user";
  ASSERT_EQ(grants_of(first.user).size(), 1u);
  EXPECT_EQ(grants_of(first.user).front().id, second.grant);
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
  EXPECT_FALSE(was_revoked("rt-carol"));
  EXPECT_EQ(run(desk->undo(first.id, {.actor = "anna"})).error().reason, "nothing_to_undo");

  ASSERT_TRUE(run(desk->undo(second.id, {.actor = "anna"})));
  EXPECT_TRUE(exists("scan")) << "who was there before the linking stays";
  EXPECT_TRUE(grants_of(first.user).empty());
}

// ---- import and stop -------------------------------------------------------------------------------------------------

TEST_F(DeskHouse, F4_AnImportUnderWayIsKeptThoughTheServerStops) {
  transport.hold = true;
  answer_as("bob");
  const auto imported = base::start_on(loop, desk->import_token(wish("scan"), Secret("rt-old"), {.actor = "cli"}));
  base::drive_until(loop, [&] { return transport.bodies.size() == 1; });
  const auto stopped = base::start_on(loop, stop_desk());
  for (int turn = 0; turn < 20; ++turn) loop.run_for(1ms);
  EXPECT_FALSE(stopped->has_value()) << "the token is spent: its answer is waited for";
  transport.hold = false;
  released->notify_all();
  base::drive_until(loop, [&] { return stopped->has_value() && imported->has_value(); });
  ASSERT_TRUE(**imported);
  EXPECT_EQ((**imported)->state, store::AuthorizationState::completed);
  const auto grant = view((**imported)->grant);
  EXPECT_EQ(refresh_token(grant), "rt-bob");
  EXPECT_TRUE(journal.recorded.empty());
}

TEST_F(DeskHouse, AnImportAfterTheStopSendsNothingAndLeavesNothing) {
  ASSERT_TRUE(run(stop_desk()));
  const auto imported = run(desk->import_token(wish("scan"), Secret("rt-old"), {.actor = "cli"}));
  ASSERT_FALSE(imported);
  EXPECT_EQ(imported.error().reason, "shutting_down");
  EXPECT_TRUE(transport.bodies.empty());
  EXPECT_TRUE(journal.reserved.empty());
  EXPECT_FALSE(exists("scan"));
  EXPECT_TRUE(run(store->unsettled_intents(10))->empty());
  EXPECT_TRUE(run(store->pending_authorizations(10))->empty()) << "the username is not reserved until the attempt expires";
}

// ---- cancel against approval ------------------------------------------------------------------------------------------

TEST_F(DeskHouse, CancelAndApprovalOfOneMomentEndInOneOfTheTwo) {
  int approved = 0;
  int cancelled = 0;
  for (int round = 0; round < 8; ++round) {
    const auto name = "u" + std::to_string(round);
    const auto id = held(name, "account" + std::to_string(round));
    const auto revoked_before = transport.revoked.size();
    std::shared_ptr<std::optional<Result<void>>> cancel;
    std::shared_ptr<std::optional<Result<AuthorizationView>>> confirm;
    const auto begin_cancel = [&] { cancel = base::start_on(loop, desk->cancel(id, {.actor = "anna"})); };
    const auto begin_confirm = [&] { confirm = base::start_on(loop, desk->confirm(id, Answer::accept, {.actor = "berta"})); };
    if (round % 2 == 0) begin_cancel();
    if (round % 2 != 0) begin_confirm();
    for (int turn = 0; turn < round / 2; ++turn) loop.run_one_for(1ms);  // a little ahead
    if (round % 2 == 0) begin_confirm();
    if (round % 2 != 0) begin_cancel();
    base::drive_until(loop, [&] { return cancel->has_value() && confirm->has_value(); });
    const auto end = seen(id);
    if (end.state == store::AuthorizationState::completed) {
      ++approved;
      EXPECT_FALSE(**cancel) << "nobody is told that something was cancelled which is there";
      EXPECT_TRUE(exists(name));
      EXPECT_EQ(transport.revoked.size(), revoked_before);
    } else {
      ++cancelled;
      ASSERT_EQ(end.state, store::AuthorizationState::cancelled) << round;
      EXPECT_TRUE(**cancel);
      EXPECT_FALSE(exists(name));
      base::drive_until(loop, [&] { return transport.revoked.size() > revoked_before; });
      EXPECT_TRUE(was_revoked("rt-account" + std::to_string(round)));
    }
  }
  EXPECT_EQ(approved + cancelled, 8);
}

// ---- what has expired by time ----------------------------------------------------------------------------------------

TEST_F(DeskHouse, A3_AStartAddressThatHasExpiredLeadsNowhere) {
  const auto of_console = begin(wish("scan"), {.actor = "anna", .session_hash = Bytes(32, 1)});
  const auto of_cli = begin(wish("print"));
  advance(61s);
  auto late = run(desk->start(ticket_of(of_console), Bytes(32, 1), Confirmed::no));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, "ticket_unknown");
  EXPECT_EQ(late.error().text, "This address has expired. Go back to the console and press Authorize again.");
  EXPECT_TRUE(run(desk->start(ticket_of(of_cli), {}, Confirmed::no))) << "the command line's lives as long as the attempt";
  advance(10min);
  late = run(desk->start(ticket_of(of_cli), {}, Confirmed::yes));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().text, "This address has expired. Go back to the console and press Authorize again.");
  EXPECT_TRUE(transport.bodies.empty());
}

TEST_F(DeskHouse, C3_ACallbackThatComesAfterTheAttemptExpiredIsRefusedAndLeavesNothing) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  advance(10min + 1s);
  const auto page = come_back(talk);
  EXPECT_FALSE(page.succeeded);
  EXPECT_EQ(page.title, "This authorisation has expired");
  EXPECT_NE(page.text.find("Nobody consented in time, so nothing was made."), std::string::npos);
  EXPECT_TRUE(transport.bodies.empty()) << "the code is not spent";
  EXPECT_FALSE(exists("scan"));
  EXPECT_EQ(seen(begun.id).state, store::AuthorizationState::expired);
  EXPECT_EQ(seen(begun.id).problem_code, "expired");
  EXPECT_EQ(come_back(talk).title, "This authorisation is over");
  EXPECT_EQ(authorise(wish("scan"), "bob").state, store::AuthorizationState::completed) << "the name is free again";
}

TEST_F(DeskHouse, A3_ThePendingRecordExpiresByItselfAndIsGoneAnHourLater) {
  const auto begun = begin(wish("scan"));
  const auto talk = open_start(begun);
  advance(10min + 1s);
  desk->start_sweeping();
  base::drive_until(loop, [&] { return seen(begun.id).state == store::AuthorizationState::expired; });
  EXPECT_EQ(come_back(talk).title, "This authorisation is over");
  EXPECT_TRUE(transport.bodies.empty());
  EXPECT_FALSE(exists("scan"));
  advance(1h + 1s);
  const auto other = begin(wish("print"));
  ASSERT_TRUE(run(desk->cancel(other.id, {.actor = "anna"})));  // whatever changes wakes the sweep
  base::drive_until(loop, [&] { return !*run(store->authorization(begun.id)); });
}

TEST_F(DeskHouse, A4_AConsentHeldForTooLongIsGivenBack) {
  const auto id = held("scan", "bob");
  advance(std::chrono::hours(24) + 1s);
  desk->start_sweeping();
  base::drive_until(loop, [&] { return seen(id).state == store::AuthorizationState::expired; });
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
  EXPECT_FALSE(exists("scan"));
}

// ---- what rests on one consent ---------------------------------------------------------------------------------------

TEST_F(DeskHouse, F7_AConsentThatWaitsForApprovalCountsAsResting) {
  const auto made = authorise(wish("scan", "acme-grace"), "bob");
  const auto waiting = held("print", "bob");
  const auto stranger = held("copy", "carol");
  ASSERT_TRUE(run(desk->undo(made.id, {.actor = "anna"})));
  settle_giving_back();
  EXPECT_TRUE(transport.revoked.empty()) << "several providers would end the consent that waits as well";
  ASSERT_TRUE(run(desk->confirm(waiting, Answer::reject, {.actor = "anna"})));
  expected_givings = 2;
  settle_giving_back();
  EXPECT_TRUE(was_revoked("rt-bob"));
  EXPECT_FALSE(was_revoked("rt-carol"));
  EXPECT_EQ(seen(stranger).state, store::AuthorizationState::held);
}

}  // namespace
}  // namespace latchkey::grants
