#include "doctor/public_url_check.h"

#include "net/ip_address.h"
#include "oauth/uri.h"

namespace latchkey::doctor {

namespace {

Finding look(const Premises& premises) {
  Finding finding{.check = {}, .subject = premises.public_url, .seen = {}, .remedy = {}, .handovers = {}};
  const auto url = oauth::parse_url(premises.public_url);
  if (!url) {
    finding.severity = Severity::error;
    finding.seen = "The public address cannot be read: " + url.error().text;
    finding.remedy = "Set public_url to the address people's browsers use, such as https://latchkey.example.";
    return finding;
  }
  const bool everywhere = !url->loopback();
  if (everywhere && url->scheme != "https") {
    finding.severity = Severity::error;
    finding.seen =
        "Browsers are to reach this server over plain http: signing in and authorising are refused there, and providers do "
        "not send a consent back to it.";
    finding.remedy =
        "Switch TLS on (docs/https.md), and make public_url begin with https://. Or open the console through an SSH tunnel "
        "to localhost.";
  } else if (!premises.public_url_given) {
    finding.severity = everywhere ? Severity::warning : Severity::note;
    finding.seen = "public_url is not set; it was made from the listener's address.";
    finding.remedy =
        everywhere
            ? "Set public_url to the name people type, or their browsers are sent to an address that nobody registered."
            : "That is right for trying things out on this machine. For an office, set public_url to the name people type.";
  } else if (!everywhere) {
    finding.severity = Severity::note;
    finding.seen = "Only browsers on this machine (or through an SSH tunnel) can authorise: the address is localhost.";
    finding.remedy = "For consent from other machines set public_url to a name they know.";
  } else if (net::IpAddress::parse(url->host)) {
    finding.severity = Severity::note;
    finding.seen = "The public address is a number, not a name. Most providers register names only.";
    finding.remedy = "Give the server a name in DNS, and set public_url to it.";
  } else {
    finding.seen = "Set, and https.";
  }
  return finding;
}

Task<std::vector<Finding>> examine(Finding finding) { co_return std::vector<Finding>{std::move(finding)}; }

}  // namespace

std::vector<Errand> PublicUrlCheck::errands(const Survey&) {
  std::vector<Errand> out;
  out.push_back({premises_.public_url, examine(look(premises_))});
  return out;
}

}  // namespace latchkey::doctor
