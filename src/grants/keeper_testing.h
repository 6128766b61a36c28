// A keeper among real neighbours (store, vault, catalogue) with a provider that says what the test tells it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <deque>
#include <boost/asio/use_future.hpp>
#include <filesystem>
#include <functional>

#include "base/fakes_testing.h"
#include "grants/hand_out.h"
#include "grants/keeper.h"
#include "grants/prudent_clock.h"
#include "grants/refusing_store_testing.h"
#include "store/sqlite/sqlite_store.h"

namespace latchkey::grants {

using namespace std::chrono_literals;

// Answers POSTs from a queue; counts what was sent, by refresh token. With an empty queue it rotates like a single-use
// provider: rt1 -> rt2 -> ...
class ScriptedTransport final : public net::HttpTransport {
 public:
  using Answer = std::function<net::HttpOutcome(const std::string& body)>;
  std::deque<Answer> script;
  std::vector<std::string> bodies;
  std::function<void()> before_answer;  // while the next request is on its way, once
  bool hold = false;                    // answers wait until released
  std::string holds_for;                // ... those of this host; empty: none
  base::Broadcast* released = nullptr;
  bool described = true;                // the metadata document can be read
  int descriptions_asked = 0;
  std::function<void()> before_description;  // while one is on its way, once

  Task<net::HttpOutcome> send(net::HttpCall call) override {
    if (call.url == "https://selfmade.example/.well-known/openid-configuration") {
      ++descriptions_asked;
      if (const auto deed = std::exchange(before_description, {})) deed();
      if (!described) co_return unsent();
      co_return json(200, R"({"issuer":"https://selfmade.example","authorization_endpoint":"https://selfmade.example/authorize",)"
                          R"("token_endpoint":"https://selfmade.example/token","token_endpoint_auth_methods_supported":["client_secret_post"]})");
    }
    if (call.url.ends_with("/revoke")) {
      revoked.emplace_back(call.body->reveal_text());
      if (const auto deed = std::exchange(before_revoked, {})) deed();
      co_return json(revoke_status, revoke_body);
    }
    most_at_once = std::max(most_at_once, ++at_once);
    std::string body(call.body ? call.body->reveal_text() : std::string_view());
    bodies.push_back(body);
    reuse.push_back(call.reuse);
    const auto host = std::string(call.url);
    while ((hold || (!holds_for.empty() && host.contains(holds_for))) && released != nullptr) co_await released->wait();
    --at_once;
    if (const auto deed = std::exchange(before_answer, {})) deed();
    if (script.empty()) co_return rotate();
    auto answer = std::move(script.front());
    script.pop_front();
    co_return answer(body);
  }

  net::HttpOutcome rotate() {
    ++issued;
    return json(200, R"({"access_token":"at)" + std::to_string(issued) + R"(","token_type":"Bearer","expires_in":3600,"refresh_token":"rt)" +
                         std::to_string(issued) + R"("})");
  }
  static net::HttpOutcome json(int status, std::string body, std::string retry_after = {}) {
    net::Reply reply;
    reply.status = status;
    reply.headers.set("Content-Type", "application/json");
    if (!retry_after.empty()) reply.headers.set("Retry-After", retry_after);
    reply.body = base::to_bytes(body);
    return reply;
  }
  static net::HttpOutcome lost(std::string partial = {}) {
    return net::Ambiguous{.error = {.kind = ErrorKind::ambiguous, .reason = "no_reply", .text = "The connection broke off."},
                          .status = partial.empty() ? 0 : 200, .headers = {}, .body = base::to_bytes(partial)};
  }
  static net::HttpOutcome unsent() {
    return net::NothingSent{{.kind = ErrorKind::unavailable, .reason = "connect_failed", .text = "The provider cannot be reached."}};
  }
  void then(net::HttpOutcome outcome) {
    auto shared = std::make_shared<net::HttpOutcome>(std::move(outcome));
    script.push_back([shared](const std::string&) { return std::move(*shared); });
  }
  [[nodiscard]] int posts_with(std::string_view token) const {
    int count = 0;
    for (const auto& body : bodies) count += body.find("refresh_token=" + std::string(token)) != std::string::npos &&
                                             (body.ends_with(token) || body.find(std::string(token) + "&") != std::string::npos) ? 1 : 0;
    return count;
  }

  std::vector<std::string> revoked;
  int revoke_status = 200;
  std::string revoke_body = "{}";
  std::function<void()> before_revoked;  // while the next token to be revoked is on its way, once
  int at_once = 0;
  int most_at_once = 0;
  int issued = 1;
  std::vector<net::Reuse> reuse;
};

// Keeps entries in memory; can be full, and can remember what a crash would have left.
class MemoryJournal final : public store::ReplyJournal {
 public:
  bool full = false;
  bool broken = false;
  bool unreadable = false;
  std::set<IntentId> reserved;
  std::map<IntentId, store::JournalEntry> recorded;
  std::vector<store::JournalEntry> left_over;
  std::vector<store::JournalEntry> kept;  // confirmed or not

  Task<Result<void>> reserve(IntentId intent) override {
    if (full) co_return fail(ErrorKind::unavailable, "journal_full", "The disk is full.");
    reserved.insert(intent);
    co_return Result<void>{};
  }
  Task<Result<void>> record(store::JournalEntry entry) override {
    if (reserved.erase(entry.intent) == 0) co_return fail(ErrorKind::bug, "not_reserved", "No place was reserved for this reply.");
    recorded[entry.intent] = entry;
    kept.push_back(entry);
    co_return Result<void>{};
  }
  void confirm(IntentId intent, WallTime) override {
    reserved.erase(intent);
    recorded.erase(intent);
    std::erase_if(left_over, [&](const store::JournalEntry& entry) { return entry.intent == intent; });
  }
  void release(IntentId intent) override { reserved.erase(intent); }
  Task<Result<std::vector<store::JournalEntry>>> unconfirmed() override { co_return left_over; }
  Task<Result<std::vector<store::JournalEntry>>> pending() override {
    auto all = left_over;
    for (const auto& [intent, entry] : recorded) all.push_back(entry);
    std::ranges::stable_sort(all, {}, &store::JournalEntry::recorded_at);
    co_return all;
  }
  store::NewestAnswer newest_answer(GrantId grant) const override {
    store::NewestAnswer newest;
    for (const auto& entry : kept) {
      if (entry.grant == grant && entry.generation >= newest.generation) newest = {entry.generation, entry.recorded_at};
    }
    return newest;
  }
  std::vector<GrantId> answered() const override {
    std::set<GrantId> grants;
    for (const auto& entry : kept) {
      if (entry.generation != 0) grants.insert(entry.grant);
    }
    return {grants.begin(), grants.end()};
  }
  Task<Result<std::vector<store::JournalEntry>>> answers(GrantId grant) override {
    if (unreadable) co_return fail(ErrorKind::unavailable, "disk_failed", "The disk does not do as it should.");
    std::vector<store::JournalEntry> all;
    std::ranges::copy_if(kept, std::back_inserter(all), [&](const store::JournalEntry& entry) { return entry.grant == grant; });
    co_return all;
  }
  bool failed() const override { return broken; }
};

inline constexpr std::string_view kAcme = R"({
  "schema": 1, "id": "acme", "name": "Acme", "seen_on": "2026-11-23",
  "endpoints": {"issuer": "https://acme.example", "authorization": "https://acme.example/authorize", "token": "https://acme.example/token",
    "revocation": "https://acme.example/revoke"},
  "revocation": {"shape": "form", "token": "refresh_token"},
  "client_authentication": ["client_secret_post"], "pkce": true, "code_lifetime_s": 60,
  "redirect": {"https_required": true, "http_localhost": true, "note": "none"},
  "account": {"source": "reply", "id": ["account"], "name": ["account"]},
  "steps": [{"text": "one"}, {"text": "two"}, {"text": "three"}],
  "types": [
    {"id": "acme-harmless", "name": "Harmless", "kind": "storage", "scopes": {"request": [{"scope": "files", "why": "x"}, {"scope": "mail", "why": "x"}]},
     "resource": "https://acme.example", "rotation": "none", "replay": "harmless"},
    {"id": "acme-grace", "name": "Grace", "kind": "storage", "scopes": {"request": [{"scope": "files", "why": "x"}]},
     "resource": "https://acme.example", "rotation": "single_use", "replay": "grace", "grace_s": 1800},
    {"id": "acme-family", "name": "Family", "kind": "storage", "scopes": {"request": [{"scope": "files", "why": "x"}]},
     "resource": "https://acme.example", "rotation": "single_use", "replay": "revokes_family"},
    {"id": "acme-refused", "name": "Refused", "kind": "storage", "scopes": {"request": [{"scope": "files", "why": "x"}]},
     "resource": "https://acme.example", "rotation": "single_use", "replay": "refused"}
  ]})";

// Another provider: a cap on its token requests, and tokens that die with their refresh.
inline constexpr std::string_view kStrict = R"({
  "schema": 1, "id": "strict", "name": "Strict", "seen_on": "2026-11-23",
  "endpoints": {"issuer": "https://strict.example", "authorization": "https://strict.example/authorize", "token": "https://strict.example/token"},
  "client_authentication": ["client_secret_post"], "pkce": true, "code_lifetime_s": 60, "rate_cap": {"requests": 6000, "per_s": 60},
  "redirect": {"https_required": true, "http_localhost": true, "note": "none"},
  "account": {"source": "reply", "id": ["account"], "name": ["account"]},
  "quirks": [{"quirk": "refresh_kills_access"}],
  "steps": [{"text": "one"}, {"text": "two"}, {"text": "three"}],
  "types": [
    {"id": "strict", "name": "Strict", "kind": "storage", "scopes": {"request": [{"scope": "files", "why": "x"}]},
     "resource": "https://strict.example", "rotation": "none", "replay": "harmless"}
  ]})";

// One that describes itself: its endpoints are where its metadata document says.
inline constexpr std::string_view kSelfMade = R"({
  "schema": 1, "id": "selfmade", "name": "Self-made", "seen_on": "2026-11-23",
  "endpoints": {"issuer": "https://selfmade.example"}, "discovery": "https://selfmade.example/.well-known/openid-configuration",
  "endpoints_from_discovery": true, "client_authentication": ["client_secret_post"], "pkce": true, "code_lifetime_s": 60,
  "redirect": {"https_required": true, "http_localhost": true, "note": "none"},
  "account": {"source": "id_token", "id": ["sub"], "name": ["name"]},
  "steps": [{"text": "one"}, {"text": "two"}, {"text": "three"}],
  "types": [
    {"id": "selfmade", "name": "Self-made", "kind": "storage", "scopes": {"request": [{"scope": "openid", "why": "x"}]},
     "resource": "https://selfmade.example", "rotation": "single_use", "replay": "revokes_family"}
  ]})";

class KeeperHouse : public ::testing::Test, protected GrantWatcher {
 protected:
  KeeperHouse() {
    std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-keeper-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    auto opened = store::open_sqlite_store({.path = (folder / "latchkey.db").string()}, wall, log);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().text);
    auto refusing = std::make_unique<RefusingStore>(std::move(*opened));
    door = refusing.get();
    store = std::move(refusing);
    const auto builtin = catalog::Catalog::load_builtin();
    EXPECT_TRUE(builtin) << (builtin ? "" : builtin.error().text);
    const auto with_acme = (*builtin)->with_file("acme.json", kAcme);
    EXPECT_TRUE(with_acme) << (with_acme ? "" : with_acme.error().text);
    const auto with_strict = (*with_acme)->with_file("strict.json", kStrict);
    EXPECT_TRUE(with_strict) << (with_strict ? "" : with_strict.error().text);
    const auto with_selfmade = (*with_strict)->with_file("selfmade.json", kSelfMade);
    EXPECT_TRUE(with_selfmade) << (with_selfmade ? "" : with_selfmade.error().text + with_selfmade.error().detail);
    catalogue = *with_selfmade;
    released = std::make_unique<base::Broadcast>(loop.get_executor());
    transport.released = released.get();
    start();
    put_app("acme");
    put_app("strict", 1, "strict");
    put_app("selfmade", 1, "selfmade");
  }
  ~KeeperHouse() override {
    door->sweeping = nullptr;  // what the test put there has gone with it
    door->written = nullptr;
    run(stop_keeper());
    run(stop_clients());
    keeper.reset();
    store.reset();
    std::filesystem::remove_all(folder);
  }

  void start() {
    if (giving_back) run(stop_giving_back());
    if (clients) run(stop_clients());
    clients = std::make_unique<ProviderClients>(*store, sealing, catalogue, transport, steady,
                                                PublicAddress{.url = "https://latchkey.example"}, loop.get_executor(), log);
    exchange = std::make_unique<Exchange>(transport, journal, sealing, wall, steady, counters.steps, log);
    giving_back = std::make_unique<GivingBack>(GivingBack::Parts{
        .store = *store, .clients = *clients, .transport = transport, .sealing = sealing, .alerts = alerts, .counters = counters, .wall = wall,
        .steady = steady, .entropy = entropy, .log = log, .executor = loop.get_executor(), .tuning = [this] { return revocation_knobs; },
        .grant_changed = [](UserId, GrantId) {}});
    giving_back->start();
    keeper = std::make_unique<Keeper>(keeper_parts());
  }
  Keeper::Parts keeper_parts() {
    return {.store = *store, .journal = journal, .exchange = *exchange, .clients = *clients, .giving_back = *giving_back, .sealing = sealing, .alerts = alerts,
            .counters = counters, .watcher = *this, .wall = wall, .steady = steady, .entropy = entropy, .log = log,
            .executor = loop.get_executor(), .node = node, .tuning = [this] { return keeper_knobs; },
            .polling_time = [this](std::string_view type) { return polling(type); }};
  }
  Task<bool> stop_giving_back() {
    co_await giving_back->stop();
    co_return true;
  }
  Task<bool> stop_clients() {
    co_await clients->stop();
    co_return true;
  }
  Task<bool> stop_keeper() {
    if (keeper) co_await keeper->stop();
    if (giving_back) co_await giving_back->stop();
    co_return true;
  }
  void grant_changed(UserId, GrantId) override { ++changes; }

  template <class T>
  T run(Task<T> task) {
    return base::run_on_loop(loop, steady, std::move(task));
  }
  void commit(store::Batch batch) {
    const auto done = run(store->commit(std::move(batch)));
    ASSERT_TRUE(done) << done.error().reason << " " << done.error().field << " " << done.error().detail;
  }
  void put_app(const std::string& id, int secrets = 1, const std::string& provider = "acme") {
    store::App app{.id = id, .provider = provider, .client_id = "client", .token_origin = "https://" + provider + ".example", .created_at = wall.now(), .version = 0};
    for (int slot = 0; slot < secrets; ++slot) {
      app.secrets[slot].sealed = sealing.seal_app_secret(app, static_cast<std::size_t>(slot), Secret("app-secret-" + std::to_string(slot)));
    }
    sealing.vouch(app);
    commit({store::PutApp{app}});
    clients->forget(id);
  }
  // A user with one grant of that type whose refresh token is rt1 and access token at1, good for an hour from now.
  store::Grant put_grant(const std::string& type, Seconds lifetime = 3600s) {
    store::Batch batch;
    const auto grant = add_grant(batch, type, lifetime);
    commit(std::move(batch));
    return grant;
  }
  store::Grant add_grant(store::Batch& batch, const std::string& type, Seconds lifetime = 3600s) {
    store::Group group{.id = GroupId::make(wall.now(), entropy), .name = "G", .name_key = "g" + std::to_string(++count), .created_at = wall.now()};
    store::User user{.id = UserId::make(wall.now(), entropy), .group = group.id, .username = "u", .username_key = "u" + std::to_string(count),
                     .created_at = wall.now()};
    if (!pair) pair = vault.make_key_pair();
    store::Grant grant{.id = GrantId::make(wall.now(), entropy), .user = user.id, .type = type, .app = type.substr(0, type.find('-')), .account_id = "a" + std::to_string(count),
                       .generation = 1, .issued_at = wall.now(), .access_expires_at = wall.now() + lifetime, .due_at = wall.now() + lifetime,
                       .created_at = wall.now()};
    grant.public_key.assign(pair->public_key.begin(), pair->public_key.end());
    sealing.vouch(grant);
    store::Generation generation{.grant = grant.id, .number = 1, .access_expires_at = grant.access_expires_at, .issued_at = wall.now()};
    generation.refresh_sealed = sealing.seal_refresh(grant, 1, {Secret("rt1"), Secret()});
    generation.access_sealed = sealing.seal_access(grant, 1, Secret("at1"));
    batch.insert(batch.end(), {store::InsertGroup{group}, store::InsertUser{user}, store::InsertGrant{grant}, store::PutGeneration{generation}});
    return grant;
  }
  store::GrantView view(const GrantId& id) {
    auto seen = run(store->grant(id));
    EXPECT_TRUE(seen && *seen);
    return std::move(**seen);
  }
  std::string refresh_token(const store::GrantView& seen) {
    const auto* current = current_of(seen);
    EXPECT_NE(current, nullptr);
    const auto opened = sealing.open_refresh(seen.grant, *current);
    EXPECT_TRUE(opened);
    return std::string(opened->token.reveal_text());
  }
  std::string access_token(const store::GrantView& seen) {
    const auto* generation = usable_generation(seen, wall.now());
    if (generation == nullptr) return "";
    const auto opened = sealing.open_access(seen.grant, *generation, pair->private_key);
    EXPECT_TRUE(opened);
    return std::string(opened->reveal_text());
  }
  [[nodiscard]] int logged(std::string_view event) const {
    const auto text = log.text();
    int times = 0;
    for (auto at = text.find(event); at != std::string::npos; at = text.find(event, at + 1)) ++times;
    return times;
  }
  void advance(Seconds span) {
    wall.advance(span);
    steady.advance(span);
  }
  // What happens while a POST is on its way: done at once on the store.
  void meanwhile(store::Batch batch) {
    between = std::move(batch);
    transport.before_answer = [this] {
      if (between.empty()) return;
      auto done = boost::asio::co_spawn(loop, store->commit(std::exchange(between, {})), boost::asio::use_future);
      while (done.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
      ASSERT_TRUE(done.get());
    };
  }
  store::JournalEntry left_in_journal(const IntentId& intent, const GrantId& grant, store::GenerationNumber generation, WallTime at,
                                      std::string_view body, int status = 200, int attempt = 0, const std::string& account_mark = "",
                                      std::int64_t turn = 0) {
    const auto told = (attempt > 0 || !account_mark.empty() ? " " + std::to_string(attempt) : "") + (turn > 0 ? "/" + std::to_string(turn) : "") +
                      (account_mark.empty() ? "" : " " + account_mark);
    const auto packed = std::to_string(status) + "\napplication/json\n\nwhole" + told + "\n" + std::string(body);
    return {.intent = intent, .grant = grant, .generation = generation, .recorded_at = at,
            .reply_sealed = sealing.seal_reply(intent, grant, generation, Secret(std::string_view(packed)))};
  }
  // Returns when whatever is due has been begun, as far as there is room.
  void sweep() {
    for (int time = 0; time < 2; ++time) {  // the second begins when the first has ended
      const auto before = door->sweeps;
      keeper->nudge();
      base::drive_until(loop, [&] { return door->sweeps > before; });
    }
  }
  // As after a crash: another process begins, and has read what the one before it left in the journal.
  void begin_anew() {
    run(stop_keeper());
    start();
    ASSERT_TRUE(run(keeper->start()));
    base::drive_until(loop, [&] { return journal.left_over.empty() && counters.in_flight == 0; });
  }
  Result<store::Grant> refresh(const GrantId& id) { return run(keeper->refresh_now(id)); }

  boost::asio::io_context loop;
  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  base::SeededEntropy entropy{42};
  base::MemoryLog log;
  std::filesystem::path folder;
  store::Batch between;
  vault::Vault vault{Secret(Bytes(32, 7)), entropy};
  Sealing sealing{vault};
  Alerts alerts{wall, log};
  Counters counters;
  ScriptedTransport transport;
  MemoryJournal journal;
  std::unique_ptr<store::Store> store;
  RefusingStore* door = nullptr;  // the same
  std::shared_ptr<const catalog::Catalog> catalogue;
  std::unique_ptr<base::Broadcast> released;
  std::unique_ptr<ProviderClients> clients;
  std::unique_ptr<Exchange> exchange;
  std::unique_ptr<GivingBack> giving_back;
  std::unique_ptr<Keeper> keeper;
  NodeId node = NodeId::make(base::from_unix_ms(1), entropy);
  std::optional<vault::KeyPair> pair;
  int count = 0;
  int changes = 0;
  KeeperTuning keeper_knobs;
  RevocationTuning revocation_knobs;
  std::function<Seconds(std::string_view)> polling = [](std::string_view) { return Seconds(20min); };
};

}  // namespace latchkey::grants
