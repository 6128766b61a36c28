#include "doctor/outgoing_check.h"

#include <fmt/format.h>

#include "doctor/endpoints_in_use.h"

namespace latchkey::doctor {

namespace {

// By the transport's words for where a call ended (net::NothingSent).
std::string_view stage_of(std::string_view reason) {
  if (reason == "name_not_resolved") return "DNS";
  if (reason == "tls_failed" || reason == "tls_untrusted" || reason == "ca_file_unreadable") return "TLS";
  if (reason == "proxy_refused") return "Proxy";
  if (reason == "address_not_allowed") return "Address policy";
  return "TCP";
}

std::string remedy_of(std::string_view stage, bool through_proxy) {
  if (stage == "DNS")
    return through_proxy ? "Correct outbound.proxy: it is the proxy's name that must resolve here."
                         : "Mend this machine's DNS (/etc/resolv.conf), or the address in the app's settings.";
  if (stage == "TLS")
    return "If a box on the way replaces certificates, name its authority in outbound.ca_file, or let it leave this host "
           "alone.";
  if (stage == "Proxy") return "Let the proxy through to this host, or correct outbound.proxy.";
  if (stage == "Address policy") return "If this address is meant, name it in outbound.allow.";
  return through_proxy ? "Start the proxy, or correct outbound.proxy; its firewall must let it out."
                       : "Open the firewall for this machine to that host and port. Is a proxy needed? Set outbound.proxy.";
}

std::string uses(const std::vector<std::string>& for_what) {
  std::string out;
  for (const auto& what : for_what) out += (out.empty() ? "" : ", ") + what;
  return out;
}

void judge_reply(Finding& finding, int status, std::string_view through, long long ms) {
  const auto* stages = finding.subject.starts_with("https:") ? "DNS, TCP and TLS" : "DNS and TCP";
  finding.seen = fmt::format("Reached{} in {} ms: {} in order, HTTP answers {}.", through, ms, stages, status);
  if (status == 407) {
    finding.severity = Severity::error;
    finding.seen = "HTTP: the proxy asks for a password.";
    finding.remedy = "Let the proxy know this machine by its address; no proxy password is kept.";
  } else if (status >= 500) {
    finding.severity = Severity::warning;
    finding.remedy =
        "The server there (or a gateway before it) is in trouble. Tokens that are good go on; wait, and look again.";
  }
}

Task<std::vector<Finding>> examine(OriginInUse origin, std::string proxy, net::HttpTransport* transport,
                                   const SteadyClock* steady) {
  Finding finding{.check = {}, .subject = origin.origin, .seen = {}, .remedy = {}, .handovers = {}};
  const auto through = proxy.empty() ? std::string() : " through " + proxy;
  const auto began = steady->now();
  // Asks for no body and brings nothing: every HTTP answer, a refusal too, says that the line stands.
  net::HttpCall call{.method = "HEAD", .url = origin.url};
  call.reuse = net::Reuse::fresh_connection;
  call.connect_timeout = Milliseconds(8'000);
  call.total_timeout = Milliseconds(12'000);
  const auto outcome = co_await transport->send(std::move(call));
  if (const auto* reply = std::get_if<net::Reply>(&outcome)) {
    judge_reply(finding, reply->status, through, std::chrono::duration_cast<Milliseconds>(steady->now() - began).count());
  } else if (const auto* cut = std::get_if<net::Ambiguous>(&outcome)) {
    finding.severity = Severity::warning;
    finding.seen = "HTTP: " + cut->error.text;
    finding.remedy =
        "The line stands, but no answer comes: often a firewall that looks into it. Let it leave this host alone.";
  } else {
    const auto& error = std::get<net::NothingSent>(outcome).error;
    const auto stage = stage_of(error.reason);
    finding.severity = Severity::error;
    finding.seen =
        fmt::format("{}: {}{}", stage, error.text, proxy.empty() || stage == "Proxy" ? "" : " (Through " + proxy + ".)");
    finding.remedy = remedy_of(stage, !proxy.empty());
  }
  finding.seen += " Needed for " + uses(origin.for_what) + ".";
  co_return std::vector<Finding>{std::move(finding)};
}

}  // namespace

std::vector<Errand> OutgoingCheck::errands(const Survey& survey) {
  std::vector<Errand> out;
  for (auto& origin : origins_in_use(survey)) {
    auto subject = origin.origin;
    out.push_back({std::move(subject), examine(std::move(origin), premises_.outbound_proxy, &transport_, &steady_)});
  }
  return out;
}

}  // namespace latchkey::doctor
