#include "app/smtp_works.h"

#include <utility>

#include "net/url.h"

namespace latchkey::app {
namespace {

using console::Metric;
using doors::SmtpListenerKind;

struct Wanted {
  net::StreamListener listener;
  doors::SmtpListenerRule rule;
};

std::vector<net::IpAddress> addresses_of(const std::vector<std::string>& texts) {
  std::vector<net::IpAddress> addresses;
  for (const auto& text : texts) {
    if (const auto address = net::IpAddress::parse(text)) addresses.push_back(*address);
  }
  return addresses;
}

// In one order for the listeners and their rules.
std::vector<Wanted> wanted(const SmtpConfig& config, net::TlsServerContext* tls) {
  using enum net::TlsStart;
  std::vector<Wanted> all;
  const auto add = [&](const std::optional<ListenAddress>& at, const char* key, net::TlsStart start, doors::SmtpListenerRule rule,
                       net::TlsFloor floor = net::TlsFloor::tls_1_2) {
    if (!at) return;
    all.push_back({{.address = at->address, .port = at->port, .tls = start == never ? nullptr : tls, .start = start, .floor = floor,
                    .setting = std::string("smtp.") + key},
                   std::move(rule)});
  };
  add(config.submission, "submission", on_request, {});
  add(config.submissions, "submissions", at_once, {});
  add(config.plain, "plain", never, {SmtpListenerKind::trusted, addresses_of(config.plain_sources)});
  add(config.legacy, "legacy", on_request, {SmtpListenerKind::trusted, addresses_of(config.legacy_sources)}, net::TlsFloor::tls_1_0);
  return all;
}

std::string host_of(const std::string& public_url) {
  const auto url = net::Url::parse(public_url);
  return url ? std::string(url->host()) : "localhost";
}

}  // namespace

doors::SmtpSettings SmtpWorks::settings() const {
  doors::SmtpSettings settings{.host = host_of(ground_.config.public_url),
                               .drop_domain = ground_.config.smtp.drop_domain,
                               .listeners = {},
                               .size_bytes_max = [registry = &ground_.registry] { return registry->get<std::uint64_t>("delivery.document_mb_max") * 1'000'000; },
                               .patience = {}};
  for (auto& one : wanted(ground_.config.smtp, ground_.tls)) settings.listeners.push_back(std::move(one.rule));
  return settings;
}

SmtpWorks::SmtpWorks(Ground ground)
    : ground_(ground),
      door_({.gate = ground_.deliveries.door_gate(),
             .reception = ground_.deliveries.reception(),
             .post = ground_.post,
             .counters = ground_.deliveries.counters(),
             .smtp_counters = counters_,
             .conversations = ground_.deliveries.device_conversations(),
             .wall = ground_.wall,
             .steady = ground_.steady,
             .log = ground_.log,
             .settings = settings()}),
      server_(ground_.loop, door_, ground_.log) {}

SmtpWorks::~SmtpWorks() = default;

Result<void> SmtpWorks::start() {
  const auto& config = ground_.config;
  const bool needs_tls = config.smtp.submissions || config.smtp.legacy || (config.smtp.submission && !config.smtp.submission->is_loopback());
  if (needs_tls && ground_.tls == nullptr) {
    return fail(ErrorKind::misconfigured, "smtp_needs_tls",
                "smtp.submission, smtp.submissions and smtp.legacy need a certificate: set tls.certificate and tls.key, or tls.source (docs/https.md).",
                {.field = "tls.certificate"});
  }
  auto proxies = net::TrustedProxies::parse(config.trusted_proxies, config.proxy_header);
  if (!proxies) return std::unexpected(proxies.error());
  server_.set_trusted_proxies(std::move(*proxies));
  std::vector<net::StreamListener> listeners;
  for (auto& one : wanted(config.smtp, ground_.tls)) listeners.push_back(std::move(one.listener));
  if (listeners.empty()) return {};
  return server_.start(std::move(listeners));
}

std::vector<console::MailListener> SmtpWorks::listeners() const {
  const auto& smtp = ground_.config.smtp;
  std::vector<console::MailListener> all;
  const auto add = [&](const std::optional<ListenAddress>& at, const char* security, std::vector<std::string> sources) {
    if (at) all.push_back({.security = security, .port = at->port, .sources = std::move(sources)});
  };
  add(smtp.submissions, "tls", {});
  add(smtp.submission, ground_.tls == nullptr ? "none" : "starttls", {});
  add(smtp.legacy, "starttls", smtp.legacy_sources);
  add(smtp.plain, "none", smtp.plain_sources);
  return all;
}

Task<void> SmtpWorks::stop(SteadyTime deadline) { co_await server_.stop(deadline); }

Task<std::vector<Metric>> SmtpWorks::collect() {
  std::vector<Metric> metrics;
  if (!ground_.config.smtp.is_on()) co_return metrics;
  const auto count = [&](const char* name, const char* help, const std::atomic<std::int64_t>& value) {
    metrics.push_back({.name = name, .help = help, .kind = Metric::Kind::counter, .value = static_cast<double>(value.load())});
  };
  count("latchkey_smtp_connections_total", "Connections to the SMTP door", counters_.connections);
  count("latchkey_smtp_mails_total", "Mails the SMTP door has acknowledged", counters_.mails);
  count("latchkey_smtp_refused_total", "Mails the SMTP door refused after they had come in", counters_.refused);
  count("latchkey_smtp_sign_ins_refused_total", "Sign-ins the SMTP door refused", counters_.sign_ins_refused);
  count("latchkey_smtp_cut_total", "Conversations the SMTP door ended: too slow, too much, or from an address that may not", counters_.cut);
  metrics.push_back({.name = "latchkey_smtp_open_connections",
                     .help = "Conversations at the SMTP door now",
                     .kind = Metric::Kind::gauge,
                     .value = static_cast<double>(server_.connection_count())});
  co_return metrics;
}

}  // namespace latchkey::app
