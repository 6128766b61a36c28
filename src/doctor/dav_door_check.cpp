#include "doctor/dav_door_check.h"

#include <fmt/format.h>

#include "oauth/uri.h"

namespace latchkey::doctor {
namespace {

// Stands for a connector, which need not exist: the door asks for credentials before it says what there is.
constexpr const char* kAnyConnector = "doctor/";

// Without credentials: the door asks for them, and nobody's account is touched.
Task<std::vector<Finding>> examine(std::string address, net::HttpTransport* transport) {
  net::HttpCall call{.method = "PROPFIND", .url = address + kAnyConnector};
  call.headers.set("Depth", "0");
  call.reuse = net::Reuse::fresh_connection;
  call.connect_timeout = Milliseconds(5'000);
  call.total_timeout = Milliseconds(8'000);
  const auto outcome = co_await transport->send(std::move(call));
  const auto* reply = std::get_if<net::Reply>(&outcome);
  if (reply == nullptr) co_return std::vector<Finding>{};  // the doors' own check says what stands in the way
  Finding finding{.check = {},
                  .subject = address,
                  .seen = "PROPFIND arrives, and is asked for a password.",
                  .remedy = {},
                  .handovers = {}};
  if (reply->status != 401) {
    finding.severity = Severity::warning;
    finding.seen = fmt::format(
        "PROPFIND without a password is answered {} instead of 401: something before this server does not let "
        "WebDAV through, and devices that deliver by it fail.",
        reply->status);
    finding.remedy =
        "Let the proxy pass every method to this server below /dav/ (docs/https.md has ready configurations). Where nothing "
        "delivers by WebDAV, leave it.";
  }
  co_return std::vector<Finding>{std::move(finding)};
}

}  // namespace

std::vector<Errand> DavDoorCheck::errands(const Survey&) {
  std::vector<Errand> out;
  const auto address = premises_.public_url + "/dav/";
  if (oauth::parse_url(premises_.public_url)) out.push_back({address, examine(address, &transport_)});
  return out;
}

}  // namespace latchkey::doctor
