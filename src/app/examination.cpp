#include "app/examination.h"

#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

doctor::Premises premises_of(const Config& config) {
  doctor::Premises premises{.public_url = config.public_url, .public_url_given = config.public_url_given, .doors = {},
                            .behind_proxy = !config.trusted_proxies.empty(), .outbound_proxy = config.outbound_proxy,
                            .ca_file = config.outbound_ca_file, .data = config.data, .embedded_store = !config.shares_store()};
  premises.doors.push_back({.name = "HTTP", .listen = config.listen.text(), .loopback = config.listen.is_loopback(), .tls = !config.tls_certificate.empty()});
  return premises;
}

Result<net::AddressPolicy> policy_for_public_address(const Config& config) {
  auto allow = config.outbound_allow;
  const auto url = net::Url::parse(config.public_url);
  if (!url) return net::AddressPolicy::parse(allow);
  for (const auto* network : {"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "[::1/128]"}) {
    allow.push_back(fmt::format("{}:{}", network, url->port()));
  }
  // Plain http only where it is this machine: a name would lift the rule about addresses as well.
  if (!url->is_https() && (url->host() == "localhost" || url->host() == "127.0.0.1" || url->host() == "[::1]")) {
    allow.push_back(fmt::format("{}:{}", url->host(), url->port()));
  }
  return net::AddressPolicy::parse(allow);
}

Examination::Examination(const Ground& ground) : premises_(premises_of(ground.config)) {
  // Its parts are checked configuration; what it refuses is then the strictest: nothing but public addresses.
  policy_ = policy_for_public_address(ground.config).value_or(net::AddressPolicy());
  worker_ = base::hire_threads("doctor", kThreads);
  const auto executor = ground.loop.worker(ground.loop.worker_count() - 1);
  own_ = std::make_unique<net::CurlTransport>(executor, net::CurlSettings{policy_, ground.config.outbound_ca_file, {}});
  auto checks = doctor::all_checks({.premises = premises_, .outgoing = ground.outgoing, .own = *own_, .resolver = net::resolve_host,
                                    .looker = [this](const net::TlsLookRequest& request) { return net::look_at_tls(request, policy_); },
                                    .store = ground.store, .journal = ground.journal, .keys = ground.keys, .plain_http = ground.plain_http,
                                    .entropy = ground.entropy, .wall = ground.wall, .steady = ground.steady, .worker = *worker_});
  doctor_ = std::make_unique<doctor::Doctor>(doctor::Doctor::Parts{
      .checks = std::move(checks), .ground = {.store = ground.store, .catalog = ground.catalog, .public_url = ground.config.public_url, .plain_http = ground.plain_http},
      .wall = ground.wall, .steady = ground.steady, .log = ground.log, .executor = executor});
  metrics_ = std::make_unique<DoctorMetrics>(*doctor_);
}

Examination::~Examination() = default;

Task<void> Examination::stop() { co_await doctor_->stop(); }

}  // namespace latchkey::app
