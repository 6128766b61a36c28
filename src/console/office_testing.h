// A whole console over real HTTP: real store, people and catalogue, simple desks.
#pragma once

#include <filesystem>

#include "console/console.h"
#include "console/console_testing.h"
#include "console/desks_testing.h"
#include "store/sqlite/sqlite_store.h"
#include "vault/hot_cache.h"

namespace latchkey::console {

struct NoWatcher final : people::GateWatcher {
  void budget_reached(UserId, std::string, std::string) override {}
  void source_limited(std::string) override {}
  void pin_seen_in_clear(std::string, std::string) override {}
};

struct AlwaysReady final : ReadySource {
  bool started() const override { return is_started; }
  Task<std::vector<ReadyCheck>> check() override { co_return checks; }
  bool is_started = true;
  std::vector<ReadyCheck> checks{{.name = "store", .ok = true, .detail = "answers"}};
};

struct TwoFigures final : MetricsSource {
  Task<std::vector<Metric>> collect() override {
    co_return std::vector<Metric>{{.name = "latchkey_grants", .help = "Grants by state.", .labels = "state=\"active\"", .value = 3},
                                  {.name = "latchkey_refreshes_total", .help = "Refreshes.", .kind = Metric::Kind::counter, .value = 7},
                                  {.name = "latchkey_grants", .help = "Grants by state.", .labels = "state=\"held\"", .value = 1}};
  }
};

// Passes requests on by path, as the server's front does.
class Mounted final : public net::HttpHandler {
 public:
  explicit Mounted(std::vector<Mount> mounts) : mounts_(std::move(mounts)) {
    std::ranges::sort(mounts_, std::greater(), [](const Mount& mount) { return mount.path.size(); });
  }
  Task<net::HttpResponse> handle(net::HttpRequest request) override {
    auto& handler = find(request.path);
    if (auto now = handler.try_handle_now(request)) co_return std::move(*now);
    co_return co_await handler.handle(std::move(request));
  }
  std::size_t body_limit(std::string_view method, std::string_view path) const override { return find(path).body_limit(method, path); }

 private:
  net::HttpHandler& find(std::string_view path) const {
    for (const auto& mount : mounts_) {
      if (mount.path.ends_with('/') ? path.starts_with(mount.path) : path == mount.path) return *mount.handler;
    }
    return *mounts_.back().handler;
  }
  std::vector<Mount> mounts_;
};

// One browser: keeps its cookies and the CSRF token.
struct Browser {
  std::uint16_t port;
  std::string cookie;  // of the console's session
  std::map<std::string, std::string> others{};
  std::string csrf;
  JsonObject session;

  HttpAnswer ask(HttpSend send) {
    auto all = cookie;
    for (const auto& [name, value] : others) all += (all.empty() ? "" : "; ") + name + "=" + value;
    if (!all.empty()) send.headers.emplace_back("Cookie", all);
    if (send.method != "GET") send.headers.emplace_back("X-CSRF-Token", csrf);
    if (!send.body.empty()) send.headers.emplace_back("Content-Type", "application/json");
    auto answer = exchange(port, send);
    for (auto [set, last] = answer.headers.equal_range("set-cookie"); set != last; ++set) {
      const auto pair = set->second.substr(0, set->second.find(';'));
      const auto equals = pair.find('=');
      if (pair.starts_with("latchkey=")) cookie = pair;
      else others[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
    return answer;
  }
  HttpAnswer get(const std::string& target) { return ask({.target = target}); }
  HttpAnswer send(std::string method, std::string target, const JsonObject& body) {
    return ask({.method = std::move(method), .target = std::move(target), .body = boost::json::serialize(body)});
  }
  HttpAnswer post(std::string target) { return ask({.method = "POST", .target = std::move(target)}); }
  void take(const HttpAnswer& answer) {
    session = answer.json();
    csrf = base::string_or(session, "csrf_token");
  }
  void open() { take(get("/api/v1/session")); }
  HttpAnswer sign_in(std::string_view username, std::string_view password) {
    open();
    auto answer = send("POST", "/api/v1/session", {{"username", username}, {"password", password}});
    if (answer.status == 201) take(answer);
    return answer;
  }
};

class ConsoleTest : public testing::Test {
 protected:
  static constexpr vault::PinCost kCheap{.memory_kib = 64, .passes = 1};
  static constexpr std::string_view kPassword = "correct horse battery";
  static constexpr std::string_view kPin = "k7mq2xw9pd";

  ConsoleTest() {
    auto opened = store::open_sqlite_store({.path = folder.file("latchkey.db")}, wall, log);
    if (!opened) throw std::runtime_error(opened.error().text);
    store = std::move(*opened);
    registry = std::make_unique<store::Registry>(*store, wall);
    hot = std::make_unique<vault::HotCache>(vault::HotCache::Bounds{}, entropy, steady);
    cards = std::make_unique<people::UserCards>(*store, seal, steady, log);
    hasher = std::make_unique<people::PinHasher>(people::PinHasher::Options{}, steady);
    gate = std::make_unique<people::PinGate>(people::PinGate::Parts{.guard = guard(), .hot = *hot, .seal = seal, .cost = kCheap});
    sessions = std::make_unique<people::Sessions>(people::Sessions::Parts{.guard = guard(), .seal = seal, .entropy = entropy, .cost = kCheap});
    directory = std::make_unique<people::Directory>(people::Directory::Parts{
        .store = *store, .registry = *registry, .vault = vault, .seal = seal, .cards = *cards, .hot = *hot, .hasher = *hasher,
        .gate = *gate, .wall = wall, .entropy = entropy, .cost = kCheap});
    directory->on_leaving(&leaving);
    setup = std::make_unique<people::Setup>(people::Setup::Parts{.store = *store, .directory = *directory, .vault = vault, .wall = wall,
                                                                 .steady = steady, .entropy = entropy});
    authorizer = std::make_unique<PlainAuthorizer>(entropy);
    desk = std::make_unique<PlainGrantDesk>(*store);
    connector_desk = std::make_unique<delivery::ConnectorDesk>(delivery::ConnectorDesk::Parts{
        .store = *store, .sealing = sealing, .catalog = *with_practice, .connectors = connectors, .device_seal = device_seal,
        .access = account_access, .wall = wall});
    device_desk = std::make_unique<people::DeviceDesk>(people::DeviceDesk::Parts{.store = *store, .seal = device_seal, .wall = wall, .entropy = entropy});
    // The engine of the tests is a loop of its own.
    console = std::make_unique<Console>(ConsoleGround{
        .store = *store, .registry = *registry, .vault = vault, .sessions = *sessions, .setup = *setup, .directory = *directory, .pin_gate = *gate,
        .catalog = *catalog::Catalog::load_builtin(), .authorizer = *authorizer, .apps = apps, .cloud = cloud, .desk = *desk, .keys = keys, .nodes = nodes,
        .health = health, .notices = notices, .counters = counters, .doctor = doctor, .certificate = certificate,
        .connectors = *connector_desk, .deliveries = delivery_desk, .devices = *device_desk, .device_conversations = device_conversations, .engine = engine.loop.main(),
        .wall = wall, .steady = steady, .entropy = entropy, .log = log,
        .facts = {.version = "1.2.3", .public_url = "https://latchkey.example", .sandbox = false},
        .causes = [this] { return causes; }, .ready = ready, .metrics = {&figures},
        .dying_soon = [] { return std::int64_t{3}; }});
    mounted = std::make_unique<Mounted>(console->mounts());
    served = std::make_unique<ServedHandler>(*mounted, *net::TrustedProxies::parse({"127.0.0.1"}));
    control_mounted = std::make_unique<Mounted>(console->control_mounts());
    control = std::make_unique<ServedHandler>(*control_mounted);
    // Refusals wait; the shortest wait will do here.
    EXPECT_TRUE(run(registry->set("auth.refusal_delay", "50ms", {.actor = "test", .source = ""})));
    group = run(directory->add_group("Office", actor))->id;
  }
  ~ConsoleTest() override {
    served->stop();
    control->stop();
    engine.stop();
  }

  people::Guard::Parts guard() {
    return {.store = *store, .registry = *registry, .vault = vault, .cards = *cards, .hasher = *hasher, .wall = wall,
            .steady = steady, .log = log, .watcher = watcher};
  }
  template <class T>
  T run(Task<T> task) {
    return engine.run(std::move(task));
  }
  store::User add(std::string username, store::Role role = store::Role::regular, std::optional<std::string_view> password = {}) {
    people::NewUser wish{.username = std::move(username), .group = group, .role = role};
    if (password) wish.password = Secret(*password);
    auto user = run(directory->add_user(std::move(wish), actor));
    if (!user) throw std::runtime_error(user.error().text);
    return *user;
  }
  store::Grant grant_to(UserId user, std::string type = "box", std::string account = "anna@example.com") {
    store::App app{.id = "box", .provider = "box", .client_id = "c", .created_at = wall.now(), .version = 0};
    store::Batch batch;
    if (!*run(store->app("box"))) batch.push_back(store::PutApp{app});
    store::Grant grant;
    grant.id = GrantId::make(wall.now(), entropy);
    grant.user = user;
    grant.type = std::move(type);
    grant.app = "box";
    grant.account_id = account + "-" + grant.id.text();
    grant.account_name = account;
    grant.scopes = "root_readwrite offline";
    grant.created_at = wall.now();
    batch.push_back(store::InsertGrant{grant});
    const auto done = run(store->commit(std::move(batch)));
    if (!done) throw std::runtime_error(done.error().text);
    return grant;
  }
  Browser browser() { return Browser{.port = served->port(), .cookie = {}, .csrf = {}, .session = {}}; }
  Browser administrator() {
    if (admin.id.none()) admin = add("anna", store::Role::administrator, kPassword);
    auto one = browser();
    EXPECT_EQ(one.sign_in("anna", kPassword).status, 201);
    return one;
  }
  Browser regular(std::string username = "ben") {
    add(username, store::Role::regular, kPassword);
    auto one = browser();
    EXPECT_EQ(one.sign_in(username, kPassword).status, 201);
    return one;
  }
  std::string audit_text() {
    std::string text;
    const auto trail = run(store->audit({.page = {.limit = 200}}));
    for (const auto& entry : trail->items) text += entry.actor + " " + entry.action + " " + entry.subject + "\n";
    return text;
  }

  net::TemporaryFolder folder;
  base::SystemWallClock wall;
  base::SystemSteadyClock steady;
  base::SystemEntropy entropy;
  base::MemoryLog log;
  // Loops are older than the store: its threads wake them, and may still be about it when the answer has left.
  net::LoopThread engine{1};
  std::unique_ptr<ServedHandler> served;
  std::unique_ptr<ServedHandler> control;
  NoWatcher watcher;
  vault::Vault vault{Secret(Bytes(32, 1)), entropy};
  people::UserSeal seal{vault};
  people::DeviceSeal device_seal{vault};
  PlainAccountAccess account_access{entropy};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::Registry> registry;
  std::unique_ptr<vault::HotCache> hot;
  std::unique_ptr<people::UserCards> cards;
  std::unique_ptr<people::PinHasher> hasher;
  std::unique_ptr<people::PinGate> gate;
  std::unique_ptr<people::Sessions> sessions;
  std::unique_ptr<people::Directory> directory;
  std::unique_ptr<people::Setup> setup;
  std::unique_ptr<PlainAuthorizer> authorizer;
  PlainApps apps;
  PlainKeys keys;
  std::unique_ptr<PlainGrantDesk> desk;
  PlainLeaving leaving;
  PlainNodeDesk nodes{entropy};
  PlainCloud cloud;
  PlainHealthDesk health;
  PlainNoticeDesk notices;
  grants::Counters counters;
  PlainExaminer doctor;
  PlainCertificateDesk certificate;
  grants::Sealing sealing{vault};
  NoTransport transport;
  connectors::Connectors connectors{transport};
  std::shared_ptr<const catalog::Catalog> with_practice = *(*catalog::Catalog::load_builtin())->with_sandbox("http://127.0.0.1:8481");
  std::unique_ptr<delivery::ConnectorDesk> connector_desk;
  PlainDeliveryDesk delivery_desk;
  std::unique_ptr<people::DeviceDesk> device_desk;
  people::DeviceConversations device_conversations;
  AlwaysReady ready;
  TwoFigures figures;
  std::vector<Cause> causes;
  std::unique_ptr<Console> console;
  std::unique_ptr<Mounted> mounted;
  std::unique_ptr<Mounted> control_mounted;
  people::Actor actor{.name = "test", .source = "", .user = {}};
  GroupId group;
  store::User admin;
};

}  // namespace latchkey::console
