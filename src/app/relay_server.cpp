#include "app/relay_server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <csignal>
#include <thread>

#include "app/cli_mistakes.h"
#include "app/file_limit.h"
#include "app/relay_certificate.h"
#include "app/version.h"
#include "base/pool.h"
#include "base/task_group.h"
#include "crypto/hardening.h"
#include "net/curl_transport.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "relay/exchange_desk.h"
#include "relay/relay_keys.h"
#include "relay/relay_service.h"
#include "relay/revocation_desk.h"
#include "store/data_lock.h"

namespace latchkey::app {
namespace {

constexpr std::size_t kThreadsMax = 8;
constexpr Seconds kClosingTime{5};
// How soon a revocation takes hold.
constexpr Seconds kReadBookEvery{2};
constexpr Seconds kTidyEvery{60};

std::size_t thread_count() { return 1 + std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kThreadsMax); }

void complain(const Error& error) { fmt::print(stderr, "latchkey: {}\n", words_for_error(error)); }

}  // namespace

Result<std::shared_ptr<const catalog::Catalog>> relay_catalog(const RelayConfig& config) {
  auto loaded = catalog::Catalog::load_builtin();
  if (!loaded) return loaded;
  return (*loaded)->load_directory(config.providers_path());
}

namespace {

// What exchange mode needs besides; in the order of building.
struct Exchanges {
  std::unique_ptr<store::DataLock> lock;  // one process has a data directory's file; of a database it has none
  std::unique_ptr<store::ExchangeBook> book;
  net::CurlSettings outgoing;
  Pool disk{"exchanges", 1};
  relay::ExchangeCounters counters;
  std::unique_ptr<net::CurlTransport> transport;
  std::unique_ptr<relay::ExchangeDesk> desk;
  std::unique_ptr<relay::RevocationDesk> revocations;
};

// Without transport and desks, which want an executor. `shared`: nullptr: the file. Errors: unavailable/`data_in_use`, those
// of the book; misconfigured/`ca_file_unreadable`.
Result<std::unique_ptr<Exchanges>> open_exchanges(const RelayConfig& config, std::unique_ptr<store::ExchangeBook> shared) {
  auto exchanges = std::make_unique<Exchanges>();
  exchanges->book = std::move(shared);
  if (!exchanges->book) {
    auto lock = store::DataLock::take(config.data);
    if (!lock) return std::unexpected(lock.error());
    exchanges->lock = std::move(*lock);
    auto book = store::open_sqlite_exchange_book(config.exchanges_path());
    if (!book) return std::unexpected(book.error());
    exchanges->book = std::move(*book);
  }
  std::vector<std::string> allow;
  if (config.loopback_providers) allow = {"127.0.0.0/8", "localhost"};
  auto policy = net::AddressPolicy::parse(allow);
  if (!policy) return std::unexpected(policy.error());
  if (!config.outbound_ca_file.empty() && !net::holds_certificate(config.outbound_ca_file)) {
    return fail(ErrorKind::misconfigured, "ca_file_unreadable",
                "outbound.ca_file: " + config.outbound_ca_file +
                    " cannot be read or holds no PEM certificate. Check the path and that the "
                    "service's user may read it.",
                {.field = "outbound.ca_file"});
  }
  exchanges->outgoing = {.policy = std::move(*policy), .ca_file = config.outbound_ca_file, .proxy = config.outbound_proxy};
  return exchanges;
}

// nullptr: nothing is exchanged, and nothing that was exchanged is kept; or it is another instance's to give. Errors: as
// open_exchanges().
Result<std::unique_ptr<Exchanges>> open_exchanges_where_needed(const RelayConfig& config,
                                                               const relay::CatalogRegistrations& registrations,
                                                               std::unique_ptr<store::ExchangeBook> shared) {
  if (shared) return open_exchanges(config, std::move(shared));
  const bool exchanges = registrations.any(relay::Mode::exchange);
  // Without such a registration (any more), offices may still have to come for replies.
  if (!exchanges && ::access(config.exchanges_path().c_str(), F_OK) != 0) return nullptr;
  auto opened = open_exchanges(config, nullptr);
  if (!opened && !exchanges && opened.error().reason == "data_in_use") return nullptr;
  return opened;
}

}  // namespace

// What the books write of themselves goes where all goes.
struct RelayServer::Diary {
  explicit Diary(base::LogLevel level) : log(2, level, wall) {}
  base::SystemWallClock wall;
  base::StreamLog log;
};

// In the order of building.
struct RelayServer::Parts {
  // `exchanges_in`: nullptr: nothing is exchanged here.
  // `certificate_in`: nullptr: a proxy before it has one.
  Parts(RelayConfig config_in, std::unique_ptr<Diary> diary_in, relay::CatalogRegistrations registrations_in,
        RelayFiles files_in, std::unique_ptr<Exchanges> exchanges_in, std::unique_ptr<RelayCertificate> certificate_in)
      : config(std::move(config_in)),
        diary(std::move(diary_in)),
        registrations(std::move(registrations_in)),
        files(std::move(files_in)),
        exchanges(std::move(exchanges_in)),
        certificate(std::move(certificate_in)),
        loop(thread_count()),
        offices(*files.book, registrations.types(), steady) {}

  RelayConfig config;
  std::unique_ptr<Diary> diary;
  relay::CatalogRegistrations registrations;
  RelayFiles files;
  std::unique_ptr<Exchanges> exchanges;
  std::unique_ptr<RelayCertificate> certificate;
  base::SystemWallClock& wall = diary->wall;
  base::StreamLog& log = diary->log;
  base::SystemSteadyClock steady;
  base::SystemEntropy entropy;
  net::BodyBudget bodies;
  net::EventLoop loop;
  Pool disk{"book", 1};
  relay::EnrolledOffices offices;
  relay::OfficeQuotas quotas;  // of flows
  relay::OfficeQuotas assertions;
  relay::EnrolmentGate gate, look_gate;
  relay::BookLook look{offices, look_gate, disk, steady};
  relay::RelayCounters counters;
  cloud::PartyPublic public_keys = files.keys.party.public_half();
  std::vector<cloud::Succession> successions = files.keys.successions();
  relay::ForwardDesk desk{{.keys = files.keys.party,
                           .former = &files.keys.former,
                           .instance_key = files.keys.instance,
                           .enrolments = offices,
                           .registrations = registrations,
                           .wall = wall,
                           .entropy = entropy}};
  relay::BrowserPages pages{{.desk = desk,
                             .registrations = registrations,
                             .offices = offices,
                             .quotas = quotas,
                             .counters = counters,
                             .steady = steady,
                             .log = log}};
  relay::ExchangeDesk* exchange_desk = open_exchange_desk();
  relay::OfficeApi api{{.desk = desk,
                        .registrations = registrations,
                        .offices = offices,
                        .keys = public_keys,
                        .successions = successions,
                        .gate = gate,
                        .look = look,
                        .assertions = assertions,
                        .counters = counters,
                        .exchanges = exchange_desk,
                        .revocations = exchanges ? exchanges->revocations.get() : nullptr,
                        .engine = loop.main(),
                        .disk = disk,
                        .wall = wall,
                        .steady = steady,
                        .entropy = entropy,
                        .log = log}};
  relay::RelayService service{{.pages = pages,
                               .api = api,
                               .look = look,
                               .offices = offices,
                               .counters = counters,
                               .exchanges = exchanges ? &exchanges->counters : nullptr,
                               .certificate = certificate.get(),
                               .metrics_from = config.metrics_from,
                               .bodies = bodies,
                               .log = log}};
  TaskGroup upkeep{loop.main(), log};
  net::HttpServer server{loop, service, wall, log, {}, &bodies};

  [[nodiscard]] relay::ExchangeDesk* open_exchange_desk();
  [[nodiscard]] Result<void> listen();
  [[nodiscard]] Task<void> keep_reading_book();
  [[nodiscard]] Task<void> keep_tidying();
  [[nodiscard]] Task<void> live(int* status);
  void reload();
};

relay::ExchangeDesk* RelayServer::Parts::open_exchange_desk() {
  if (!exchanges) return nullptr;
  exchanges->transport = std::make_unique<net::CurlTransport>(loop.main(), exchanges->outgoing);
  exchanges->desk = std::make_unique<relay::ExchangeDesk>(relay::ExchangeDesk::Parts{.book = *exchanges->book,
                                                                                     .disk = exchanges->disk,
                                                                                     .transport = *exchanges->transport,
                                                                                     .sides = registrations,
                                                                                     .instance_key = files.keys.instance,
                                                                                     .counters = exchanges->counters,
                                                                                     .wall = wall,
                                                                                     .steady = steady,
                                                                                     .entropy = entropy,
                                                                                     .log = log,
                                                                                     .executor = loop.main()});
  exchanges->revocations =
      std::make_unique<relay::RevocationDesk>(relay::RevocationDesk::Parts{.transport = *exchanges->transport,
                                                                           .sides = registrations,
                                                                           .instance_key = files.keys.instance,
                                                                           .counters = counters,
                                                                           .executor = loop.main()});
  return exchanges->desk.get();
}

Result<void> RelayServer::Parts::listen() {
  net::HttpListener listener;
  listener.address = config.listen.address;
  listener.port = config.listen.port;
  listener.tls = certificate ? &certificate->context() : nullptr;
  auto proxies = net::TrustedProxies::parse(config.trusted_proxies, config.proxy_header);
  if (!proxies) return std::unexpected(proxies.error());
  server.set_trusted_proxies(std::move(*proxies));
  const auto public_url = net::Url::parse(config.public_url);
  if (!public_url) return std::unexpected(public_url.error());
  server.set_allowed_hosts({public_url->host()});
  return server.start({listener});
}

Task<void> RelayServer::Parts::keep_reading_book() {
  for (bool failing = false;;) {
    co_await steady.sleep_for(kReadBookEvery);
    auto* known = &offices;
    const auto read = co_await disk.run([known] { return known->read_again(); });
    if (!read && !failing) log.error("enrolments_not_read", read.error());
    if (read && failing) log.info("enrolments_read_again");
    failing = !read;
  }
}

Task<void> RelayServer::Parts::keep_tidying() {
  for (;;) {
    co_await exchange_desk->tidy();
    co_await steady.sleep_for(kTidyEvery);
  }
}

void RelayServer::Parts::reload() {
  if (certificate) upkeep.spawn("certificate", certificate->look_again());
}

// The service's life. The only task started by the process itself: it ends by stopping the loop.
Task<void> RelayServer::Parts::live(int* status) {
  if (const auto listening = listen(); !listening) {
    complain(listening.error());
    *status = 1;
  } else {
    upkeep.spawn("enrolments", keep_reading_book());
    if (certificate) upkeep.spawn("certificate", certificate->keep_looking(steady));
    if (exchange_desk != nullptr) upkeep.spawn("exchanges", keep_tidying());
    log.info("relaying", {{"version", version()}, {"listen", config.listen.text()}, {"public_url", config.public_url}});
    fmt::print("Latchkey {} relays at {} for {} offices\n", version(), config.public_url, offices.count());
    std::fflush(stdout);
    while (co_await loop.next_signal() == SIGHUP) reload();
  }
  // What has been posted is kept before anything is let go; whoever waits for it hears it while the lines close.
  if (exchange_desk != nullptr) {
    co_await exchange_desk->stop();
    co_await exchanges->revocations->stop();
  }
  co_await server.stop(steady.now() + kClosingTime);
  co_await upkeep.cancel_and_wait();
  log.info("stopped");
  loop.stop();
}

RelayServer::RelayServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
RelayServer::~RelayServer() = default;

Result<std::unique_ptr<RelayServer>> RelayServer::build(RelayConfig config, relay::CatalogRegistrations registrations) {
  // First of all, before a secret is read or a thread exists.
  if (const auto hardened = crypto::harden_process(); !hardened) return std::unexpected(hardened.error());
  std::signal(SIGHUP, SIG_IGN);  // until it listens; what it would read anew is read then
  base::SystemEntropy entropy;
  auto diary = std::make_unique<Diary>(config.log_level);
  auto files = open_relay_files(config, entropy, diary->log);
  if (!files) return std::unexpected(files.error());
  auto exchanges = open_exchanges_where_needed(config, registrations, std::move(files->shared_exchanges));
  if (!exchanges) return std::unexpected(exchanges.error());
  std::unique_ptr<RelayCertificate> certificate;
  if (!config.tls_certificate.empty()) {
    auto loaded = RelayCertificate::load({config.tls_certificate, config.tls_key}, config.data, diary->wall, diary->log);
    if (!loaded) return std::unexpected(loaded.error());
    certificate = std::move(*loaded);
  }
  auto parts = std::make_unique<Parts>(std::move(config), std::move(diary), std::move(registrations), std::move(*files),
                                       std::move(*exchanges), std::move(certificate));
  if (const auto read = parts->offices.read_again(); !read) return std::unexpected(read.error());
  return std::unique_ptr<RelayServer>(new RelayServer(std::move(parts)));
}

int RelayServer::run() {
  raise_file_limit();
  int status = 0;
  boost::asio::co_spawn(parts_->loop.main(), parts_->live(&status), boost::asio::detached);
  parts_->loop.run();
  return status;
}

}  // namespace latchkey::app
