#include "app/examination.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/tls_folder.h"
#include "doors/folder/drop_root.h"
#include "net/curl_transport.h"
#include "net/event_loop.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

// Most of what they do is waiting for DNS and TLS.
constexpr std::size_t kThreads = 3;

class DoctorMetrics final : public console::MetricsSource {
 public:
  explicit DoctorMetrics(const doctor::Examiner& doctor) : doctor_(doctor) {}
  [[nodiscard]] Task<std::vector<console::Metric>> collect() override {
    const auto report = doctor_.last();
    std::vector<console::Metric> metrics;
    if (!report) co_return metrics;
    for (const auto severity : {doctor::Severity::ok, doctor::Severity::note, doctor::Severity::warning, doctor::Severity::error}) {
      const auto count = std::ranges::count(report->findings, severity, &doctor::Finding::severity);
      metrics.push_back({.name = "latchkey_doctor_findings", .help = "Findings of the last examination of the set-up, by severity",
                         .labels = fmt::format("severity=\"{}\"", name_of(severity)), .value = static_cast<double>(count)});
    }
    metrics.push_back({.name = "latchkey_doctor_examined_timestamp_seconds", .help = "When the set-up was examined last since the start",
                       .value = static_cast<double>(base::to_unix_ms(report->examined_at)) / 1000});
    co_return metrics;
  }

 private:
  const doctor::Examiner& doctor_;
};

// One file: where a certificate of its own authority is served, its root.
std::string ca_file_for_own_address(const Config& config) {
  const TlsFolder folder(config.data);
  const bool own = config.tls_certificate.empty() && folder.choice().source == console::CertificateSource::own_authority;
  return own ? folder.root_file() : config.outbound_ca_file;
}

std::vector<doctor::MailDoor> mail_doors_of(const SmtpConfig& smtp, bool with_tls) {
  using enum doctor::MailDoor::Security;
  std::vector<doctor::MailDoor> doors;
  const auto add = [&](const std::optional<ListenAddress>& at, std::string setting, doctor::MailDoor::Security security,
                       std::vector<std::string> sources) {
    if (!at) return;
    doors.push_back({.setting = std::move(setting), .listen = at->text(), .port = at->port, .security = security, .sources = std::move(sources)});
  };
  add(smtp.submission, "smtp.submission", with_tls ? starttls : none, {});
  add(smtp.submissions, "smtp.submissions", tls, {});
  add(smtp.plain, "smtp.plain", none, smtp.plain_sources);
  add(smtp.legacy, "smtp.legacy", starttls, smtp.legacy_sources);
  return doors;
}

// As the folder door would find them if it started now.
doctor::DropFolderLooker look_at_drop_folders(const Config& config) {
  return [settings = doors::DropSettings{.root = config.folder.root, .owners = config.folder.uids, .data = config.data}](
             const std::optional<std::string>& connector) -> doctor::DropFolderLook {
    const auto root = doors::DropRoot::open(settings);
    if (!root) return {.problem = root.error().text};
    if (!connector) return {};
    const auto box = (*root)->box(*connector);
    if (box) return {};
    if (box.error().kind == ErrorKind::not_found) return {.there = false, .problem = {}};
    return {.problem = box.error().text};
  };
}

doctor::SpoolReserve spool_reserve(const store::Registry& registry) {
  return [registry = &registry](const store::DiskRoom& room) {
    return std::max(registry->get<std::uint64_t>("delivery.disk_reserve_mb") * 1'000'000,
                    room.size_bytes / 100 * registry->get<std::uint64_t>("delivery.disk_reserve_percent"));
  };
}

}  // namespace

doctor::Premises premises_of(const Config& config, bool with_tls) {
  doctor::Premises premises{.public_url = config.public_url, .public_url_given = config.public_url_given, .doors = {},
                            .mail_doors = mail_doors_of(config.smtp, with_tls), .drop_root = config.folder.root,
                            .behind_proxy = !config.trusted_proxies.empty(), .outbound_proxy = config.outbound_proxy,
                            .ca_files = {}, .data = config.data, .embedded_store = !config.shares_store()};
  premises.doors.push_back({.name = "HTTP", .listen = config.listen.text(), .loopback = config.listen.is_loopback(), .tls = with_tls});
  // Its own authority's root is trusted here as devices trust it that have imported it; a file that is not there adds nothing.
  premises.ca_files.push_back(TlsFolder(config.data).root_file());
  if (!config.outbound_ca_file.empty()) premises.ca_files.push_back(config.outbound_ca_file);
  return premises;
}

Result<net::AddressPolicy> policy_for_public_address(const Config& config) {
  auto allow = config.outbound_allow;
  const auto url = net::Url::parse(config.public_url);
  if (!url) return net::AddressPolicy::parse(allow);
  std::vector<std::uint16_t> ports{url->port()};
  for (const auto& mail : {config.smtp.submission, config.smtp.submissions}) {
    if (mail) ports.push_back(mail->port);
  }
  for (const auto* network : {"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "[::1/128]"}) {
    for (const auto port : ports) allow.push_back(fmt::format("{}:{}", network, port));
  }
  // Plain http only where it is this machine: a name would lift the rule about addresses as well.
  if (!url->is_https() && (url->host() == "localhost" || url->host() == "127.0.0.1" || url->host() == "[::1]")) {
    allow.push_back(fmt::format("{}:{}", url->host(), url->port()));
  }
  return net::AddressPolicy::parse(allow);
}

Examination::Examination(const Ground& ground) : premises_(premises_of(ground.config, ground.listens_with_tls)) {
  // Its parts are checked configuration; what it refuses is then the strictest: nothing but public addresses.
  policy_ = policy_for_public_address(ground.config).value_or(net::AddressPolicy());
  worker_ = base::hire_threads("doctor", kThreads);
  const auto executor = ground.loop.worker(ground.loop.worker_count() - 1);
  own_ = std::make_unique<net::CurlTransport>(executor, net::CurlSettings{policy_, ca_file_for_own_address(ground.config), {}});
  auto checks = doctor::all_checks({.premises = premises_, .outgoing = ground.outgoing, .own = *own_, .resolver = net::resolve_host,
                                    .looker = [this](const net::TlsLookRequest& request) { return net::look_at_tls(request, policy_); },
                                    .store = ground.store, .journal = ground.journal, .keys = ground.keys, .plain_http = ground.plain_http,
                                    .entropy = ground.entropy, .wall = ground.wall, .steady = ground.steady, .worker = *worker_,
                                    .drop_folders = look_at_drop_folders(ground.config), .spool_reserve = spool_reserve(ground.registry), .cloud = ground.cloud});
  doctor_ = std::make_unique<doctor::Doctor>(doctor::Doctor::Parts{
      .checks = std::move(checks), .ground = {.store = ground.store, .catalog = ground.catalog, .public_url = ground.config.public_url, .plain_http = ground.plain_http},
      .wall = ground.wall, .steady = ground.steady, .log = ground.log, .executor = executor});
  metrics_ = std::make_unique<DoctorMetrics>(*doctor_);
}

Examination::~Examination() = default;

Task<void> Examination::stop() { co_await doctor_->stop(); }

}  // namespace latchkey::app
