#include "app/wiring.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "app/certificate_keeper.h"
#include "app/dav_works.h"
#include "app/delivery_works.h"
#include "app/mail_works.h"
#include "app/engine.h"
#include "app/examination.h"
#include "app/folder_works.h"
#include "app/front.h"
#include "app/leftovers.h"
#include "app/lineage_file.h"
#include "app/node_name.h"
#include "app/observers.h"
#include "app/restore_swap.h"
#include "app/restored_records.h"
#include "app/smtp_works.h"
#include "app/terminal.h"
#include "app/version.h"
#include "base/clock.h"
#include "base/entropy.h"
#include "base/log.h"
#include "base/run_on.h"
#include "catalog/catalog.h"
#include "base/task_group.h"
#include "console/console.h"
#include "crypto/hardening.h"
#include "doors/http/deliver_door.h"
#include "doors/http/panel_door.h"
#include "doors/http/token_door.h"
#include "doors/webdav/dav_mount.h"
#include "grants/restore_watch.h"
#include "net/curl_mail.h"
#include "net/curl_transport.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "people/directory.h"
#include "people/handout_counts.h"
#include "people/sessions.h"
#include "people/setup.h"
#include "sandbox/practice_service.h"
#include "store/data_lock.h"
#include "store/move/move.h"
#include "store/postgres/postgres_store.h"
#include "store/registry.h"
#include "store/reply_journal.h"
#include "store/sqlite/set_aside.h"
#include "store/sqlite/sqlite_store.h"
#include "vault/hot_cache.h"
#include "vault/vault.h"

namespace latchkey::app {
namespace {

constexpr std::size_t kThreadsMax = 8;
constexpr Seconds kClosingTime{10};
// What another node changes holds here within a second (RULES K8); the rest is for the reading itself.
constexpr Milliseconds kMemoryOfSharedStore{800};
constexpr Milliseconds kReadSettingsEvery{500};

// One of them is the engine's.
std::size_t thread_count() { return 1 + std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kThreadsMax); }

Result<void> make_data_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return fail(ErrorKind::misconfigured, "data_directory",
              fmt::format("The data directory {} cannot be made ({}). Make its parent, or name another with --data.", path,
                          std::strerror(errno)),
              {.field = "data"});
}

}  // namespace

// In the order of building. Destroyed in the reverse, after close().
struct House::Parts {
  explicit Parts(Config config_in, ServeOptions options_in)
      : config(std::move(config_in)), options(options_in), log(2, config.log_level, wall), loop(thread_count()) {}

  Config config;
  ServeOptions options;
  base::SystemWallClock wall;
  grants::CommonClock clock{wall};  // moved to a shared store's
  base::SystemSteadyClock steady;
  base::SystemEntropy entropy;
  base::StreamLog log;
  net::BodyBudget bodies;  // of whoever reaches the listener; the command line has its own
  net::BodyBudget practice_bodies{{.bytes_max = 1 << 28, .source_bytes_max = 1 << 28}};  // whole files, of the sandbox alone
  net::EventLoop loop;

  std::unique_ptr<vault::Vault> vault;
  std::unique_ptr<store::DataLock> data_lock;  // where the store has none of its own
  store::StoreFigures figures;
  store::Lineage lineage;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::ReplyJournal> journal;
  std::unique_ptr<store::Registry> registry;
  std::shared_ptr<const catalog::Catalog> catalog;
  std::optional<net::CurlSettings> outgoing;
  std::unique_ptr<net::CurlTransport> transport;
  std::unique_ptr<net::CurlMail> mail;
  NodeId node;
  WallTime clock_mark{};
  Bytes journals_key;  // as hold_key_of_journal says

  // People.
  std::unique_ptr<people::UserSeal> user_seal;
  std::unique_ptr<vault::HotCache> hot;
  std::unique_ptr<people::UserCards> user_cards;
  std::unique_ptr<people::PinHasher> hasher;
  std::unique_ptr<PeopleWatcher> watcher;
  std::unique_ptr<PinLetters> pin_letters;
  std::unique_ptr<people::PinGate> gate;
  std::unique_ptr<people::Sessions> sessions;
  std::unique_ptr<people::Directory> directory;
  std::unique_ptr<people::Setup> setup;
  std::unique_ptr<people::HandoutCounts> handouts;

  // Grants, and what shows them.
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Readiness> readiness;
  std::unique_ptr<EngineMetrics> metrics;
  std::unique_ptr<KeyMetrics> key_metrics;
  std::unique_ptr<NodeMetrics> node_metrics;
  std::unique_ptr<CloudMetrics> cloud_metrics;
  BodyMetrics body_metrics{bodies};
  std::unique_ptr<Examination> examination;
  std::unique_ptr<CertificateKeeper> certificate;
  std::unique_ptr<DeliveryWorks> deliveries;
  std::unique_ptr<MailWorks> mail_works;
  std::unique_ptr<DavWorks> dav;
  std::unique_ptr<SmtpWorks> smtp;
  std::unique_ptr<FolderWorks> folder;
  std::unique_ptr<console::Console> console;
  std::unique_ptr<doors::TokenDoor> token_door;
  std::unique_ptr<doors::DeliverDoor> deliver_door;
  std::unique_ptr<doors::PanelDoor> panel_door;
  TaskGroup upkeep{loop.main(), log};
  std::string setup_address;

  Front front;
  Front control_front;
  std::unique_ptr<net::TlsServerContext> tls;
  std::unique_ptr<net::HttpServer> server;
  std::unique_ptr<net::HttpServer> control;
  std::unique_ptr<sandbox::PracticeService> practice;
  std::unique_ptr<net::HttpServer> practice_server;

  [[nodiscard]] Result<void> build_keys_and_store();
  [[nodiscard]] Result<void> load_master_key(bool store_is_fresh);
  [[nodiscard]] Result<void> open_embedded_store();
  [[nodiscard]] Result<void> open_shared_store();
  [[nodiscard]] Task<void> keep_reading_settings();
  [[nodiscard]] Result<void> build_catalog();
  [[nodiscard]] Result<void> build_network();
  void build_people();
  [[nodiscard]] doctor::CloudLooker cloud_looker();
  void build_engine();
  void build_doors();
  void build_servers();
  [[nodiscard]] people::Guard::Parts guard_parts();
  [[nodiscard]] vault::KeyFiles key_files() const { return {config.master_key_file, config.data + "/master.key.next"}; }
  [[nodiscard]] Task<Result<void>> learn_node();
  [[nodiscard]] Task<Result<void>> take_up_journal();
  [[nodiscard]] Task<Result<void>> learn_clock_mark();
  [[nodiscard]] Task<Result<void>> prepare_first_run();
  [[nodiscard]] Result<void> listen();
  [[nodiscard]] std::string practice_origin() const { return fmt::format("http://localhost:{}", options.sandbox_port); }
};

// A key may be made only for a store that holds nothing yet: a new key never opens old ciphertext.
Result<void> House::Parts::load_master_key(bool store_is_fresh) {
  auto key = vault::load_master_key(config.master_key_file, store_is_fresh ? vault::OnMissingKey::create : vault::OnMissingKey::refuse, entropy);
  if (!key) return std::unexpected(key.error());
  vault = std::make_unique<vault::Vault>(std::move(*key), entropy);
  return {};
}

Result<void> House::Parts::open_embedded_store() {
  const std::string database = config.data + "/latchkey.db";
  if (const auto loaded = load_master_key(!exists(database)); !loaded) return loaded;
  store::SqliteOptions sqlite;
  sqlite.path = database;
  sqlite.program_version = version();
  sqlite.figures = &figures;
  auto opened = store::open_sqlite_store(sqlite, wall, log);
  if (!opened) return std::unexpected(opened.error());
  store = std::move(*opened);
  return {};
}

Result<void> House::Parts::open_shared_store() {
  auto lock = store::DataLock::take(config.data);
  if (!lock) return std::unexpected(lock.error());
  data_lock = std::move(*lock);
  store::PostgresOptions postgres;
  postgres.url = config.store;
  postgres.program_version = version();
  postgres.figures = &figures;
  postgres.lineage = &lineage;
  auto known = load_lineage(config.data);
  if (!known) return std::unexpected(known.error());
  lineage.remember(*std::move(known));
  if (!config.store_password_file.empty()) {
    auto password = read_secret_file("store_password_file", config.store_password_file);
    if (!password) return std::unexpected(password.error());
    postgres.password = std::move(*password);
  }
  auto opened = store::open_postgres_store(std::move(postgres), log);
  if (!opened) return std::unexpected(opened.error());
  store = std::move(opened->store);
  return load_master_key(opened->fresh);
}

Result<void> House::Parts::build_keys_and_store() {
  if (const auto made = make_data_directory(config.data); !made) return made;
  if (auto whole = check_whole(config.data); !whole) return whole;
  if (const auto opened = config.shares_store() ? open_shared_store() : open_embedded_store(); !opened) return opened;
  remove_leftovers(config.data);
  auto journal_opened = store::open_reply_journal(config.data + "/journal", log);
  if (!journal_opened) return std::unexpected(journal_opened.error());
  journal = std::move(*journal_opened);
  registry = std::make_unique<store::Registry>(*store, clock);
  return {};
}

Result<void> House::Parts::build_catalog() {
  auto built = catalog::Catalog::load_builtin();
  if (!built) return std::unexpected(built.error());
  built = (*built)->load_directory(config.data + "/providers");
  if (!built) return std::unexpected(built.error());
  if (options.sandbox) built = (*built)->with_sandbox(practice_origin());
  if (!built) return std::unexpected(built.error());
  catalog = std::move(*built);
  return {};
}

Result<void> House::Parts::build_network() {
  auto allow = config.outbound_allow;
  if (options.sandbox) allow.push_back(fmt::format("localhost:{}", options.sandbox_port));
  auto policy = net::AddressPolicy::parse(allow);
  if (!policy) return std::unexpected(policy.error());
  if (!config.outbound_ca_file.empty() && !net::holds_certificate(config.outbound_ca_file)) {
    return fail(ErrorKind::misconfigured, "ca_file_unreadable",
                "outbound.ca_file: " + config.outbound_ca_file + " cannot be read or holds no PEM certificate. Check the path and that the "
                "service's user may read it.", {.field = "outbound.ca_file"});
  }
  mail = std::make_unique<net::CurlMail>(net::CurlSettings{*policy, config.outbound_ca_file, {}});
  outgoing.emplace(net::CurlSettings{std::move(*policy), config.outbound_ca_file, config.outbound_proxy});
  transport = std::make_unique<net::CurlTransport>(loop.main(), *outgoing);
  const auto files = settle_tls(config, wall.now());
  if (!files) return std::unexpected(files.error());
  if (!*files) return {};
  auto loaded = net::TlsServerContext::load((*files)->certificate, (*files)->key);
  if (!loaded) return std::unexpected(loaded.error());
  tls = std::move(*loaded);
  return {};
}

people::Guard::Parts House::Parts::guard_parts() {
  return {.store = *store, .registry = *registry, .vault = *vault, .cards = *user_cards, .hasher = *hasher, .wall = clock,
          .steady = steady, .log = log, .watcher = *watcher};
}

void House::Parts::build_people() {
  user_seal = std::make_unique<people::UserSeal>(*vault);
  hot = std::make_unique<vault::HotCache>(vault::HotCache::Bounds{}, entropy, steady);
  people::UserCards::Options memory;
  if (config.shares_store()) memory.lifetime = kMemoryOfSharedStore;
  user_cards = std::make_unique<people::UserCards>(*store, *user_seal, steady, log, memory);
  hasher = std::make_unique<people::PinHasher>(
      [settings = registry.get()] {
        return people::PinHasher::Options{settings->get<std::size_t>("auth.pin_hash_threads"), settings->get<std::size_t>("auth.pin_hash_queue")};
      },
      steady);
  watcher = std::make_unique<PeopleWatcher>();
  gate = std::make_unique<people::PinGate>(people::PinGate::Parts{.guard = guard_parts(), .hot = *hot, .seal = *user_seal});
  sessions = std::make_unique<people::Sessions>(
      people::Sessions::Parts{.guard = guard_parts(), .seal = *user_seal, .entropy = entropy});
  directory = std::make_unique<people::Directory>(people::Directory::Parts{
      .store = *store, .registry = *registry, .vault = *vault, .seal = *user_seal, .cards = *user_cards, .hot = *hot,
      .hasher = *hasher, .gate = *gate, .wall = clock, .entropy = entropy});
  setup = std::make_unique<people::Setup>(people::Setup::Parts{.store = *store, .directory = *directory, .vault = *vault,
                                                               .wall = clock, .steady = steady, .entropy = entropy});
  handouts = std::make_unique<people::HandoutCounts>(*store, clock);
}

// The desk's own thread is the engine's.
doctor::CloudLooker House::Parts::cloud_looker() {
  struct Looking {
    static Task<Result<doctor::CloudLook>> look(grants::CloudDesk* desk, Executor engine, bool used) {
      auto status = co_await base::run_on(engine, desk->status());
      if (!status) co_return std::unexpected(status.error());
      doctor::CloudLook look{.used = used, .status = std::move(*status)};
      if (look.status.enrolled) look.now = co_await base::run_on(engine, desk->look());
      co_return look;
    }
  };
  return [this] { return Looking::look(&engine->cloud(), loop.main(), registry->get<bool>("oauth.use_cloud_service")); };
}

// After the node's name is known: the engine signs its work with it.
void House::Parts::build_engine() {
  // Loopback providers over plain http are for whom outbound.allow names them: the sandbox, and tests.
  const auto plain_http = options.sandbox || !config.outbound_allow.empty() ? oauth::PlainHttp::loopback_only : oauth::PlainHttp::refused;
  engine = std::make_unique<Engine>(EngineGround{
      .loop = loop, .wall = clock, .steady = steady, .entropy = entropy, .log = log, .vault = *vault, .key_files = key_files(), .journals_key = journals_key, .hot = *hot, .store = *store,
      .journal = *journal, .registry = *registry, .catalog = catalog, .transport = *transport, .mail = *mail, .user_seal = *user_seal,
      .user_cards = *user_cards, .hasher = *hasher, .gate = *gate, .handouts = *handouts, .node = node,
      .address = {.url = config.public_url, .plain_http = plain_http},
      .clock_mark = clock_mark,
      .version = std::string(version()),
      .lineage = config.shares_store() ? &lineage : nullptr,
      .remember_lineage = [data = config.data](const std::string& name) { return keep_lineage(data, name); },
      .memory = config.shares_store() ? std::optional(kMemoryOfSharedStore) : std::nullopt});
  watcher->set_alerts(engine->alerts());
  pin_letters = std::make_unique<PinLetters>(PinLetters::Parts{
      .executor = loop.main(), .tasks = upkeep, .notices = engine->notices(), .log = log, .public_url = config.public_url});
  watcher->set_letters(*pin_letters);
  directory->listen(&engine->pin_reset_listener());
  directory->on_leaving(&engine->leaving_listener());
  directory->watch(watcher.get());
  directory->listen_to_switch(&engine->switch_off_listener());
  readiness = std::make_unique<Readiness>(*store, *journal);
  key_metrics = std::make_unique<KeyMetrics>(engine->keys(), *store);
  node_metrics = std::make_unique<NodeMetrics>(*store, node, steady);
  certificate = std::make_unique<CertificateKeeper>(CertificateKeeper::Parts{
      .certificate_file = config.tls_certificate, .key_file = config.tls_key, .folder = TlsFolder(config.data), .names = own_names(config),
      .context = tls.get(), .alerts = engine->alerts(), .wall = clock, .log = log});
  cloud_metrics = std::make_unique<CloudMetrics>(engine->cloud_counters(), *store);
  examination = std::make_unique<Examination>(Examination::Ground{
      .config = config, .listens_with_tls = tls != nullptr, .loop = loop, .outgoing = *transport, .store = *store, .registry = *registry, .journal = *journal, .keys = engine->keys(), .cloud = cloud_looker(), .catalog = catalog,
      .plain_http = plain_http, .entropy = entropy, .wall = clock, .steady = steady, .log = log});
  metrics = std::make_unique<EngineMetrics>(EngineMetrics::Parts{.counters = engine->counters(), .alerts = engine->alerts(), .health = engine->health(),
                                                                 .journal = *journal, .figures = figures, .hot = *hot, .engine = loop.main(), .store = *store});
}

void House::Parts::build_doors() {
  deliveries = std::make_unique<DeliveryWorks>(DeliveryGround{.loop = loop, .engine = *engine, .store = *store, .registry = *registry, .user_seal = *user_seal,
                                                              .vault = *vault, .pin_gate = *gate, .user_cards = *user_cards, .catalog = catalog, .outgoing = *outgoing, .wall = clock, .steady = steady, .entropy = entropy,
                                                              .log = log, .node = node, .data = config.data, .public_url = config.public_url});
  mail_works = std::make_unique<MailWorks>(MailGround{.store = *store, .registry = *registry, .deliveries = *deliveries, .catalog = catalog,
                                                .wall = clock, .entropy = entropy, .public_url = config.public_url});
  folder = std::make_unique<FolderWorks>(FolderWorks::Ground{.config = config, .loop = loop, .engine = *engine, .deliveries = *deliveries, .post = mail_works->post(), .store = *store,
                                                             .registry = *registry, .steady = steady, .entropy = entropy, .log = log});
  smtp = std::make_unique<SmtpWorks>(SmtpWorks::Ground{.config = config, .loop = loop, .deliveries = *deliveries, .post = mail_works->post(), .registry = *registry, .tls = tls.get(), .wall = clock,
                                                       .steady = steady, .log = log});
  dav = std::make_unique<DavWorks>(DavWorks::Ground{.deliveries = *deliveries, .post = mail_works->post(), .store = *store, .registry = *registry, .sealing = engine->sealing(),
                                                    .wall = clock, .steady = steady, .log = log, .engine = loop.main(), .public_origin = console::origin_of(config.public_url)});
  auto* alerts = &engine->alerts();
  const auto* counters = &engine->counters();
  console = std::make_unique<console::Console>(console::ConsoleGround{
      .store = *store, .registry = *registry, .vault = *vault, .sessions = *sessions, .setup = *setup, .directory = *directory,
      .pin_gate = *gate, .catalog = catalog, .authorizer = engine->authorizer(), .apps = engine->apps(), .cloud = engine->cloud(), .desk = engine->grant_desk(), .keys = engine->keys(),
      .nodes = engine->nodes(), .health = engine->health(), .notices = engine->notices(), .counters = engine->counters(), .doctor = examination->doctor(), .certificate = *certificate,
      .connectors = deliveries->connector_desk(), .deliveries = deliveries->delivery_desk(), .devices = deliveries->device_desk(),
      .device_conversations = deliveries->device_conversations(),
      .doors = {.mail = smtp->listeners(), .drop_domain = config.smtp.drop_domain,
                .drop_folder = [works = folder.get()](const std::string& connector) { return works->drop_folder(connector); }},
      .engine = loop.main(), .wall = clock, .steady = steady, .entropy = entropy, .log = log,
      .facts = {.version = std::string(version()), .public_url = config.public_url, .sandbox = options.sandbox,
                .store = config.shares_store() ? console::StoreKind::postgresql : console::StoreKind::sqlite},
      .causes = [alerts] { return causes_of(*alerts); }, .ready = *readiness,
      .metrics = {metrics.get(), key_metrics.get(), node_metrics.get(), cloud_metrics.get(), &body_metrics, &examination->metrics(), certificate.get(), deliveries.get(), dav.get(), smtp.get(), folder.get()},
      .dying_soon = [counters] { return counters->dying_idle + counters->dying_of_age; }});
  token_door = std::make_unique<doors::TokenDoor>(*gate, engine->token_desk(), *store, console::origin_of(config.public_url));
  deliver_door = std::make_unique<doors::DeliverDoor>(doors::DeliverDoor::Parts{
      .gate = deliveries->door_gate(), .reception = deliveries->reception(), .mail = mail_works->intake(), .queue = deliveries->queue(), .desk = deliveries->delivery_desk(), .counters = deliveries->counters(), .ear = deliveries->device_ear(), .store = *store,
      .steady = steady, .least_rate = deliveries->least_rate(), .engine = loop.main(), .public_origin = console::origin_of(config.public_url)});
  panel_door = std::make_unique<doors::PanelDoor>(deliveries->door_gate(), deliveries->panel(), deliveries->device_ear(), console::origin_of(config.public_url));
  for (const auto& mount : console->mounts()) front.claim(mount.path, *mount.handler);
  front.claim("/v1/", *token_door);
  for (const char* path : {"/v1/deliver/", "/v1/deliveries", "/v1/deliveries/"}) front.claim(path, *deliver_door);
  front.claim("/v1/connectors/", *panel_door);
  front.claim(std::string(doors::kDavMount), dav->door());
  for (const auto& mount : console->control_mounts()) control_front.claim(mount.path, *mount.handler);
}

void House::Parts::build_servers() {
  server = std::make_unique<net::HttpServer>(loop, front, clock, log, net::HttpLimits{}, &bodies);
  control = std::make_unique<net::HttpServer>(loop, control_front, clock, log);
  if (!options.sandbox) return;
  practice = std::make_unique<sandbox::PracticeService>(
      sandbox::PracticeServiceSettings{practice_origin(), config.public_url, config.data + "/sandbox.json"}, clock, steady, entropy);
  practice_server = std::make_unique<net::HttpServer>(loop, *practice, clock, log, net::HttpLimits{}, &practice_bodies);
}

// The embedded store keeps the node's name itself; of a shared one each node has its own, in its data directory.
Task<Result<void>> House::Parts::learn_node() {
  if (config.shares_store()) {
    const auto named = load_node_name(config.data, wall, entropy);
    if (!named) co_return std::unexpected(named.error());
    node = *named;
    co_return Result<void>{};
  }
  const auto known = co_await store->meta(std::string(store::kNodeMeta));
  if (!known) co_return std::unexpected(known.error());
  if (const auto id = NodeId::from_bytes(*known)) {
    node = *id;
    co_return Result<void>{};
  }
  node = NodeId::make(wall.now(), entropy);
  const auto octets = node.bytes();
  co_return co_await store->commit({store::PutMeta{std::string(store::kNodeMeta), Bytes(octets.begin(), octets.end())}});
}

// The shared store was restored: the newest replies this node has are merged anew, those too which the store had confirmed.
Task<Result<void>> House::Parts::take_up_journal() {
  if (!config.shares_store()) co_return Result<void>{};
  const auto restored = co_await grants::has_to_merge(*store, node);
  if (!restored) co_return std::unexpected(restored.error());
  if (!*restored) co_return Result<void>{};
  store::SystemFiles files;
  auto survived = surviving_replies(config.data + "/journal", files, *vault, keys_beside(config.data, config.master_key_file, entropy), entropy);
  if (!survived) co_return std::unexpected(survived.error());
  if (const auto doubted = survived->leave_out_doubtful(WallTime{}); doubted > 0) {
    log.error("journal_not_whole", {{"files", survived->unreadable.size()}, {"grants", doubted}});
  }
  journal.reset();
  auto restoring = store::open_restoring_journal(config.data + "/journal", log);
  if (!restoring) co_return std::unexpected(restoring.error());
  const auto taken = co_await take_up(**restoring, std::move(survived->entries));
  if (!taken) co_return std::unexpected(taken.error());
  restoring->reset();
  auto again = store::open_reply_journal(config.data + "/journal", log);
  if (!again) co_return std::unexpected(again.error());
  journal = std::move(*again);
  co_return Result<void>{};
}

Task<void> House::Parts::keep_reading_settings() {
  for (;;) {
    co_await steady.sleep_for(kReadSettingsEvery);
    if (const auto read = co_await registry->load(); !read) log.debug("settings_not_read", {{"detail", read.error().detail}});
  }
}

// Before anything is read or stamped by the clock.
Task<Result<void>> House::Parts::learn_clock_mark() {
  if (config.shares_store()) {
    if (const auto ahead = co_await clock.compare(*store); !ahead) co_return std::unexpected(ahead.error());
  }
  if (options.trust_clock) co_return co_await grants::ClockMark::forget(*store);
  const auto mark = co_await grants::ClockMark::read(*store);
  if (!mark) co_return std::unexpected(mark.error());
  clock_mark = *mark;
  co_return Result<void>{};
}

// The one-time set-up address, and the practice service's own registration.
Task<Result<void>> House::Parts::prepare_first_run() {
  const auto code = co_await setup->issue_code();
  if (!code) co_return std::unexpected(code.error());
  if (*code) setup_address = config.public_url + "/setup#code=" + **code;
  if (!options.sandbox) co_return Result<void>{};
  const auto registered = co_await store->app("sandbox");
  if (!registered) co_return std::unexpected(registered.error());
  if (*registered) co_return Result<void>{};
  grants::AppWish wish{.id = "sandbox", .provider = "sandbox", .client_id = std::string(sandbox::kClientId)};
  wish.secrets[0] = {.kind = grants::SecretWish::Kind::set, .value = Secret(sandbox::kClientSecret)};
  const auto added = co_await engine->apps().put(std::move(wish), {.actor = "server"});
  if (!added) co_return std::unexpected(added.error());
  co_return Result<void>{};
}

Result<void> House::Parts::listen() {
  // The control socket first: it is what scripts wait for, and it needs no free port.
  net::HttpListener control_listener;
  control_listener.unix_path = config.data + "/control.sock";
  control_listener.unix_uid = ::geteuid();
  if (auto started = control->start({control_listener}); !started) return started;
  if (practice_server) {
    net::HttpListener practice_listener;
    practice_listener.address = "127.0.0.1";
    practice_listener.port = options.sandbox_port;
    practice_server->set_allowed_hosts({fmt::format("localhost:{}", options.sandbox_port)});
    if (auto started = practice_server->start({practice_listener}); !started) {
      return fail(ErrorKind::misconfigured, "listen_failed",
                  fmt::format("The practice service cannot listen on 127.0.0.1:{}: choose another port with --sandbox-port.",
                              options.sandbox_port),
                  {.detail = started.error().text, .field = "--sandbox-port"});
    }
  }
  net::HttpListener listener;
  listener.address = config.listen.address;
  listener.port = config.listen.port;
  listener.tls = tls.get();
  auto proxies = net::TrustedProxies::parse(config.trusted_proxies, config.proxy_header);
  if (!proxies) return std::unexpected(proxies.error());
  server->set_trusted_proxies(std::move(*proxies));
  const auto public_url = net::Url::parse(config.public_url);
  if (!public_url) return std::unexpected(public_url.error());
  server->set_allowed_hosts({public_url->host()});
  if (auto started = server->start({listener}); !started) return started;
  if (auto started = smtp->start(); !started) return started;
  return folder->start();
}

House::House(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
House::~House() = default;

Result<std::unique_ptr<House>> House::build(Config config, ServeOptions options) {
  // First of all, before a secret is read or a thread exists.
  if (const auto hardened = crypto::harden_process(); !hardened) return std::unexpected(hardened.error());
  auto parts = std::make_unique<Parts>(std::move(config), options);
  if (const auto done = parts->build_keys_and_store(); !done) return std::unexpected(done.error());
  if (const auto done = parts->build_catalog(); !done) return std::unexpected(done.error());
  if (const auto done = parts->build_network(); !done) return std::unexpected(done.error());
  parts->build_servers();
  return std::unique_ptr<House>(new House(std::move(parts)));
}

net::EventLoop& House::loop() { return parts_->loop; }

Task<Result<void>> House::open() {
  Parts& parts = *parts_;
  if (const auto done = co_await store::check_not_moved(*parts.store); !done) co_return done;
  if (const auto done = co_await store::check_not_set_aside(*parts.store, parts.config.data); !done) co_return done;
  if (const auto done = co_await grants::check_restore_finished(*parts.store); !done) co_return done;
  if (const auto done = co_await grants::settle_master_key(*parts.store, *parts.vault, parts.key_files(), parts.entropy); !done) co_return done;
  if (const auto done = co_await parts.learn_node(); !done) co_return done;
  if (const auto done = co_await parts.take_up_journal(); !done) co_return done;
  if (parts.config.shares_store()) {
    auto held = co_await grants::hold_key_of_journal(*parts.store, *parts.journal, *parts.vault, parts.key_files(), parts.entropy);
    if (!held) co_return std::unexpected(held.error());
    parts.journals_key = *std::move(held);
  }
  if (const auto done = co_await parts.learn_clock_mark(); !done) co_return done;
  if (const auto done = co_await parts.registry->load(); !done) co_return done;
  for (const auto& words : parts.registry->ignored()) parts.log.warning("setting_ignored", {{"why", words}});
  parts.build_people();
  parts.build_engine();
  parts.build_doors();
  if (const auto done = co_await parts.engine->open(); !done) co_return done;
  if (const auto done = co_await parts.deliveries->open(); !done) co_return done;
  if (const auto done = co_await parts.prepare_first_run(); !done) co_return done;
  parts.upkeep.spawn("handout counts", parts.handouts->keep_flushing(parts.steady, [settings = parts.registry.get()] {
    return settings->get<Seconds>("activity.flush");
  }));
  if (parts.config.shares_store()) {
    parts.upkeep.spawn("settings", parts.keep_reading_settings());
    parts.upkeep.spawn("signs of life", parts.engine->nodes().keep_showing());
    parts.upkeep.spawn("lineage", parts.engine->keep_telling());
  }
  parts.upkeep.spawn("tallies", parts.engine->tallies().keep_flushing(parts.steady));
  parts.upkeep.spawn("notices", parts.engine->notices().keep_telling());
  parts.upkeep.spawn("lookout", parts.engine->lookout().keep_looking());
  parts.upkeep.spawn("secret expiry", parts.engine->secret_expiry().keep_looking(parts.steady));
  parts.upkeep.spawn("clock mark", parts.engine->clock_mark().keep_looking());
  parts.upkeep.spawn("forecast", parts.engine->forecast().keep_looking(parts.steady));
  parts.upkeep.spawn("certificate", parts.certificate->keep_looking(parts.steady));
  parts.upkeep.spawn("restored grants", parts.engine->restored_grants().ask(parts.steady));
  if (const auto done = parts.listen(); !done) co_return done;
  parts.readiness->set_started(true);
  parts.log.info("serving", {{"version", version()}, {"listen", parts.config.listen.text()}, {"public_url", parts.config.public_url}});
  co_return Result<void>{};
}

std::string House::greeting() const {
  const Parts& parts = *parts_;
  std::string text = fmt::format("Latchkey {} serves {}\n", version(), parts.config.public_url);
  if (parts.certificate) text += certificate_words(parts.certificate->status(), parts.config.public_url);
  if (!parts.setup_address.empty()) {
    text += fmt::format("Set up the first administrator here (once, within 15 minutes): {}\n", parts.setup_address);
  }
  if (parts.options.sandbox) {
    text += fmt::format("Practice service (nothing real): {}\n", parts.practice_origin());
    text += fmt::format("No browser on this machine? ssh -L {0}:localhost:{0} -L {1}:localhost:{1} HOST\n",
                        parts.config.listen.port, parts.options.sandbox_port);
  }
  return text;
}

void House::reload() {
  if (parts_->certificate) parts_->upkeep.spawn("certificate", parts_->certificate->look_again());
}

Task<void> House::close() {
  Parts& parts = *parts_;
  const auto deadline = parts.steady.now() + kClosingTime;
  if (parts.readiness) parts.readiness->set_started(false);
  if (parts.smtp) co_await parts.smtp->stop(deadline);
  if (parts.folder) co_await parts.folder->stop();
  co_await parts.server->stop(deadline);
  co_await parts.control->stop(deadline);
  if (parts.examination) co_await parts.examination->stop();
  if (parts.deliveries) co_await parts.deliveries->close();
  // A provider like any other: it answers until the last exchange is in the store.
  if (parts.engine) co_await parts.engine->close();
  if (parts.practice_server) co_await parts.practice_server->stop(deadline);
  co_await parts.upkeep.cancel_and_wait();
  if (parts.engine) co_await parts.engine->leave();
  if (parts.handouts) {
    if (const auto flushed = co_await parts.handouts->flush(); !flushed) parts.log.error("handouts_not_counted", flushed.error());
  }
  parts.transport->cancel_all();
  parts.log.info("stopped");
}

}  // namespace latchkey::app
