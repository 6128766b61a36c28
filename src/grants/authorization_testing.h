// The authorisation desk among real neighbours, with time that stands still.
#pragma once

#include <algorithm>

#include "grants/authorization_desk.h"
#include "grants/keeper_testing.h"

namespace latchkey::grants {

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

  AuthorizationDesk::Parts parts_of_desk(ProviderClients& reached_by) {
    return {
        .store = *store, .journal = journal, .exchange = *exchange, .clients = reached_by, .keeper = *keeper, .giving_back = *giving_back,
        .counters = counters, .vault = vault, .sealing = sealing, .enrolment = enrolment, .transport = transport, .watcher = *this,
        .wall = wall, .steady = steady, .entropy = entropy, .log = log, .executor = loop.get_executor(), .node = node,
        .pending_lifetime = [] { return Seconds(10min); }, .link_lifetime = [] { return Seconds(72h); },
        .tuning = [] { return KeeperTuning{}; },
        .device_code_allowed = [this](std::string_view type) { return device_code_types.contains(std::string(type)); }};
  }

  // As a process does that has just begun; the one before has been stopped.
  void start_desk_anew() {
    desk = std::make_unique<AuthorizationDesk>(parts_of_desk(*clients));
    keeper->set_code_recovery([it = desk.get()](store::JournalEntry entry) { return it->recover(std::move(entry)); },
                              [it = desk.get()](store::Intent intent) { return it->take_up(std::move(intent)); });
    giving_back->set_waiting(
        [it = desk.get()](std::string app, std::string account) { return it->holds_consent(std::move(app), std::move(account)); });
  }
  DeskHouse() {
    start_desk_anew();
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
    std::string location;
  };
  std::string ticket_of(const Begun& begun) { return begun.start_url.substr(begun.start_url.rfind('/') + 1); }
  Conversation open_start(const Begun& begun, Bytes session = {}) {
    const auto page = run(desk->start(ticket_of(begun), std::move(session), Confirmed::yes, {}));
    EXPECT_TRUE(page) << (page ? "" : page.error().text);
    if (!page) return {};
    const auto at = page->location.find("state=") + 6;
    const auto equals = page->cookie.find('=');
    return {.id = begun.id, .query = "code=c1&state=" + page->location.substr(at, page->location.find('&', at) - at),
            .cookies = {{page->cookie.substr(0, equals), page->cookie.substr(equals + 1, page->cookie.find(';') - equals - 1)}},
            .location = page->location};
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
  std::set<std::string> device_code_types;
  PlainEnrolment enrolment{vault};
  std::unique_ptr<AuthorizationDesk> desk;
  store::Group group;
  int expected_givings = 1;
};

}  // namespace latchkey::grants
