#include "doctor/door_check.h"

#include <fmt/format.h>

#include "base/json.h"
#include "oauth/uri.h"

namespace latchkey::doctor {

namespace {

Finding judge_door(const Door& door, const Premises& premises) {
  Finding finding{.check = {}, .subject = door.name + " " + door.listen, .seen = {}, .remedy = {}, .handovers = {}};
  const bool https_outside = premises.public_url.starts_with("https:");
  if (door.tls) {
    finding.seen = "Listens with TLS.";
  } else if (https_outside && !premises.behind_proxy) {
    finding.severity = Severity::error;
    finding.seen =
        "Listens in clear, while the public address is https: there is a proxy, then, but nobody's word on scheme and "
        "client is believed.";
    finding.remedy =
        "Name the proxy's address in trusted_proxies (docs/https.md has ready configurations), or set tls.certificate and "
        "tls.key.";
  } else if (premises.behind_proxy) {
    finding.severity = door.loopback ? Severity::ok : Severity::note;
    finding.seen = door.loopback ? "Listens in clear on this machine alone, behind a proxy."
                                 : "Listens in clear behind a proxy, and others reach it past the proxy.";
    if (!door.loopback)
      finding.remedy =
          "Keep the way between proxy and server to these two: a firewall, or a listener on 127.0.0.1 where both are one "
          "machine.";
  } else if (door.loopback) {
    finding.severity = Severity::note;
    finding.seen = "Listens in clear, on this machine alone.";
    finding.remedy = "For devices and other machines: switch TLS on (docs/https.md) and listen on their network.";
  } else {
    finding.severity = Severity::error;
    finding.seen = "Listens in clear where anybody on the network may read along: PINs and passwords are refused there.";
    finding.remedy = "Switch TLS on (docs/https.md).";
  }
  return finding;
}

void judge_reply(Finding& finding, const net::Reply& reply) {
  const auto json = base::parse_json(base::as_text(reply.body));
  if (reply.status == 200 && json && json->is_object() && base::string_or(json->get_object(), "status") == "ok") {
    finding.seen = "The public address leads to a Latchkey server.";
    return;
  }
  finding.severity = Severity::error;
  if (reply.status == 421) {
    finding.seen = "The public address leads here, but with another Host than its own.";
    finding.remedy = "Let the proxy pass the Host header on as it came (nginx: proxy_set_header Host $host).";
  } else if (reply.status == 502 || reply.status == 503 || reply.status == 504) {
    finding.seen = fmt::format("A proxy answers {} at the public address: it does not reach this server.", reply.status);
    finding.remedy = "Let the proxy pass requests to the address this server listens on.";
  } else {
    finding.seen = fmt::format("Something else answers at the public address (HTTP {} for /healthz).", reply.status);
    finding.remedy = "Correct public_url, its DNS record, or what the proxy passes on.";
  }
}

Task<std::vector<Finding>> examine_door(Finding finding) { co_return std::vector<Finding>{std::move(finding)}; }

Task<std::vector<Finding>> examine_way(std::string public_url, net::HttpTransport* transport) {
  Finding finding{.check = {}, .subject = public_url, .seen = {}, .remedy = {}, .handovers = {}};
  net::HttpCall call{.method = "GET", .url = public_url + "/healthz"};
  call.reuse = net::Reuse::fresh_connection;
  call.connect_timeout = Milliseconds(5'000);
  call.total_timeout = Milliseconds(8'000);
  const auto outcome = co_await transport->send(std::move(call));
  if (const auto* reply = std::get_if<net::Reply>(&outcome)) {
    judge_reply(finding, *reply);
  } else {
    const auto* unsent = std::get_if<net::NothingSent>(&outcome);
    const auto& error = unsent != nullptr ? unsent->error : std::get<net::Ambiguous>(outcome).error;
    const bool untrusted = error.reason == "tls_untrusted";
    finding.severity = untrusted ? Severity::note : Severity::warning;
    finding.seen =
        untrusted ? "Whether the public address leads here was not asked: this machine does not trust the certificate there."
                  : "The public address does not answer this machine: " + error.text;
    finding.remedy = untrusted
                         ? "The certificate check says what to do."
                         : "Open it from another machine: some routers do not let a server reach its own public address.";
  }
  co_return std::vector<Finding>{std::move(finding)};
}

}  // namespace

std::vector<Errand> DoorCheck::errands(const Survey&) {
  std::vector<Errand> out;
  for (const auto& door : premises_.doors) out.push_back({door.name, examine_door(judge_door(door, premises_))});
  if (oauth::parse_url(premises_.public_url))
    out.push_back({premises_.public_url, examine_way(premises_.public_url, &transport_)});
  return out;
}

}  // namespace latchkey::doctor
