#include "doctor/dns_check.h"

#include "net/address_policy.h"
#include "oauth/uri.h"

namespace latchkey::doctor {

namespace {

Finding judge(std::string host, const std::vector<net::IpAddress>& addresses) {
  Finding finding{.check = {}, .subject = std::move(host), .seen = {}, .remedy = {}, .handovers = {}};
  if (addresses.empty()) {
    finding.severity = Severity::error;
    finding.seen = "The name of the public address does not resolve on this machine.";
    finding.remedy =
        "Enter an A or AAAA record for it (inside the office is enough where only browsers inside consent), or correct "
        "public_url.";
    return finding;
  }
  std::string list;
  bool strange = false;
  bool all_loopback = true;
  for (const auto& address : addresses) {
    const auto kind = net::kind_of(address);
    list += (list.empty() ? "" : ", ") + address.text();
    all_loopback = all_loopback && kind == net::AddressKind::loopback;
    strange = strange || (kind != net::AddressKind::global && kind != net::AddressKind::private_network &&
                          kind != net::AddressKind::loopback);
  }
  finding.seen = "It resolves to " + list + ".";
  if (strange) {
    finding.severity = Severity::error;
    finding.seen += " No browser reaches a server there.";
    finding.remedy = "Correct the record: it must be this server's own address, or its proxy's.";
  } else if (all_loopback) {
    finding.severity = Severity::warning;
    finding.seen += " That is this machine itself: /etc/hosts says so, perhaps, and other machines are told something else.";
    finding.remedy = "Look it up from another machine; it must get the address under which this server is reached.";
  }
  return finding;
}

Task<std::vector<Finding>> examine(std::string host, Resolver resolver, Worker* worker) {
  const auto addresses = co_await worker->run([host, resolver = std::move(resolver)] { return resolver(host); });
  co_return std::vector<Finding>{judge(host, addresses)};
}

}  // namespace

std::vector<Errand> DnsCheck::errands(const Survey&) {
  std::vector<Errand> out;
  const auto url = oauth::parse_url(premises_.public_url);
  // Of an address that is none, or that is a number, there is nothing to look up; the public_url check speaks of those.
  if (!url || url->loopback() || net::IpAddress::parse(url->host)) return out;
  out.push_back({url->host, examine(url->host, resolver_, &worker_)});
  return out;
}

}  // namespace latchkey::doctor
