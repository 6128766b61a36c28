#include "doctor/mail_door_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "oauth/uri.h"

namespace latchkey::doctor {
namespace {

Task<std::vector<Finding>> examine_tls(net::TlsLookRequest request, std::string subject, TlsLooker looker, Worker* worker,
                                       const WallClock* wall) {
  const auto look = co_await worker->run([request, looker = std::move(looker)] { return looker(request); });
  auto finding = judge_tls(look, request.host, subject, wall->now());
  if (look.stage == net::TlsLook::Stage::handshake) {
    finding.seen = fmt::format("Something answers there, but not with mail over TLS ({}).", look.why);
    finding.remedy =
        "Let nothing else have that port, and let nothing between the devices and this server speak SMTP in its place.";
  } else if (look.stage == net::TlsLook::Stage::connection) {
    finding.remedy =
        "Open the port on the way to this server. Where public_url leads to a proxy, let that pass this port on, too, or "
        "tell "
        "devices another name of this server.";
  }
  co_return std::vector<Finding>{std::move(finding)};
}

Task<std::vector<Finding>> tell_clear(std::string subject) {
  co_return std::vector<Finding>{{.check = {},
                                  .subject = std::move(subject),
                                  .severity = Severity::note,
                                  .seen = "Takes mail in clear, on this machine alone.",
                                  .remedy = "For devices: switch TLS on (docs/https.md) and listen on their network.",
                                  .handovers = {}}};
}

bool comes_from(const store::Device& device, const net::IpAddress& address) {
  return device.enabled && std::ranges::any_of(device.allowed_sources, [&](const std::string& text) {
           const auto network = net::Cidr::parse(text);
           const auto single = net::IpAddress::parse(text);
           return (network && network->contains(address)) || (single && *single == address);
         });
}

Finding judge_source(const MailDoor& door, const std::string& source, const std::vector<store::Device>& devices) {
  Finding finding{.check = {}, .subject = door.setting + " " + source, .seen = {}, .remedy = {}, .handovers = {}};
  const auto address = net::IpAddress::parse(source);
  const auto found =
      std::ranges::find_if(devices, [&](const auto& device) { return address && comes_from(device, *address); });
  if (found != devices.end()) {
    finding.seen = fmt::format("{} comes from there.", found->name);
    return finding;
  }
  finding.severity = Severity::warning;
  finding.seen = "May speak there, but no device that is switched on has this address: it is refused.";
  finding.remedy = fmt::format("Give the device this address (page Devices), or take it out of {}_sources.", door.setting);
  return finding;
}

// Listeners without TLS, or with an old one, take devices at named addresses alone (RULES T7).
Task<std::vector<Finding>> examine_sources(MailDoor door, store::Store* store) {
  const auto devices = co_await store->devices();
  std::vector<Finding> out;
  if (!devices) {
    out.push_back({.check = {},
                   .subject = door.setting,
                   .severity = Severity::error,
                   .seen = "The store does not answer.",
                   .remedy = "See the server's log.",
                   .handovers = {}});
    co_return out;
  }
  for (const auto& source : door.sources) out.push_back(judge_source(door, source, *devices));
  co_return out;
}

}  // namespace

std::vector<Errand> MailDoorCheck::errands(const Survey&) {
  std::vector<Errand> out;
  const auto url = oauth::parse_url(premises_.public_url);
  for (const auto& door : premises_.mail_doors) {
    if (!door.sources.empty()) {
      out.push_back({door.setting, examine_sources(door, &store_)});
    } else if (door.security == MailDoor::Security::none) {
      out.push_back({door.setting, tell_clear(door.setting + " " + door.listen)});
    } else if (url) {
      const auto subject = fmt::format("{}:{}", url->host, door.port);
      const auto before =
          door.security == MailDoor::Security::starttls ? net::BeforeTls::smtp_starttls : net::BeforeTls::nothing;
      net::TlsLookRequest request{.host = url->host, .port = door.port, .ca_files = premises_.ca_files, .before = before};
      out.push_back({subject, examine_tls(std::move(request), subject, looker_, &worker_, &wall_)});
    }
  }
  return out;
}

}  // namespace latchkey::doctor
