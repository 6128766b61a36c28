#include "doctor/certificate_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "oauth/uri.h"

namespace latchkey::doctor {

namespace {

using std::chrono::days;

std::string list_of(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "no name at all" : out;
}

std::string until_words(const net::Certificate& certificate, WallTime now) {
  const auto left = std::chrono::floor<days>(certificate.not_after - now).count();
  const auto day = base::to_rfc3339(certificate.not_after).substr(0, 10);
  return left < 0 ? fmt::format("it ended on {}", day) : fmt::format("good until {} ({} days)", day, left);
}

void judge_stage(Finding& finding, const net::TlsLook& look, const std::string& where) {
  switch (look.stage) {
    case net::TlsLook::Stage::name:
      finding.severity = Severity::note;
      finding.seen = "What is served cannot be looked at: the name does not resolve here.";
      finding.remedy = "The dns check says what to do.";
      return;
    case net::TlsLook::Stage::address:
      finding.severity = Severity::note;
      finding.seen = "What is served there is not looked at: " + look.why;
      finding.remedy = "If that is where this server stands, name the address and its port in outbound.allow.";
      return;
    case net::TlsLook::Stage::connection:
      finding.severity = Severity::warning;
      finding.seen = fmt::format("No connection to {} comes about from this machine ({}).", where, look.why);
      finding.remedy =
          "Start what shall answer there (this server, or its proxy) and open the port. Some routers do not let a server "
          "reach its own public "
          "address: then try from another network.";
      return;
    case net::TlsLook::Stage::handshake:
      finding.severity = Severity::error;
      finding.seen = fmt::format("{} answers, but no TLS connection comes about ({}).", where, look.why);
      finding.remedy =
          "Whatever listens there speaks no TLS, or nothing that is still accepted. Set tls.certificate and tls.key, or the "
          "proxy's, and let public_url name its port.";
      return;
    case net::TlsLook::Stage::done:
      return;
  }
}

void judge_trust(Finding& finding, const net::TlsLook& look, const std::string& host) {
  const auto& own = look.chain.front();
  switch (look.trust) {
    case net::Trust::trusted:
      return;
    case net::Trust::unknown_authority:
      if (look.chain.size() == 1) {
        finding.severity = Severity::error;
        finding.seen += fmt::format(" It came alone, and this machine does not know {}.", own.issuer);
        finding.remedy =
            "Put the intermediate certificates behind the server's own in the file (often called fullchain.pem). If the "
            "authority is your own, name its root in outbound.ca_file.";
        return;
      }
      finding.severity = Severity::warning;
      finding.seen += fmt::format(" Its authority, {}, is unknown to this machine.", look.chain.back().issuer);
      finding.remedy =
          "Import the authority's root on every device and in every browser that is to come here, and name it in "
          "outbound.ca_file.";
      return;
    case net::Trust::self_signed:
      finding.severity = Severity::warning;
      finding.seen += " It vouches for itself: every browser warns, and most devices refuse.";
      finding.remedy =
          "Use a certificate of a public authority, or let this server be an authority of its own whose root devices import "
          "(docs/https.md).";
      return;
    case net::Trust::not_in_force:
      finding.severity = Severity::error;
      finding.seen += " It is not in force.";
      finding.remedy = "Renew it; the files are read again by themselves. If it has only just been made, look at the clock.";
      return;
    case net::Trust::wrong_name:
      finding.severity = Severity::error;
      finding.seen += fmt::format(" None of these is {}.", host);
      finding.remedy = "Get a certificate for the name of the public address, or correct public_url.";
      return;
    case net::Trust::other:
      finding.severity = Severity::error;
      finding.seen += " It is refused: " + look.why + ".";
      finding.remedy = "Replace it by one that a common authority has issued lately.";
      return;
  }
}

Task<std::vector<Finding>> examine(net::TlsLookRequest request, std::string where, TlsLooker looker, Worker* worker,
                                   const WallClock* wall) {
  const auto look = co_await worker->run([request, looker = std::move(looker)] { return looker(request); });
  co_return std::vector<Finding>{judge_tls(look, request.host, where, wall->now())};
}

}  // namespace

Finding judge_tls(const net::TlsLook& look, const std::string& host, const std::string& subject, WallTime now) {
  Finding finding{.check = {}, .subject = subject, .seen = {}, .remedy = {}, .handovers = {}};
  if (look.stage != net::TlsLook::Stage::done || look.chain.empty()) {
    judge_stage(finding, look, subject);
    return finding;
  }
  const auto& own = look.chain.front();
  finding.seen = fmt::format("{}, a certificate of {} for {}: {}.", look.protocol, own.issuer, list_of(own.names),
                             until_words(own, now));
  judge_trust(finding, look, host);
  const auto soon = severity_of_expiry(own, now);
  if (look.trust != net::Trust::not_in_force && soon > finding.severity) {
    finding.severity = soon;
    finding.remedy = "Renew it now. If something was to renew it by itself, look why it has not.";
  }
  return finding;
}

Severity severity_of_expiry(const net::Certificate& certificate, WallTime now) {
  const auto life = certificate.not_after - certificate.not_before;
  const auto left = certificate.not_after - now;
  if (left <= Milliseconds(0) || left < std::min<Milliseconds>(days(7), life / 6)) return Severity::error;
  return left < std::min<Milliseconds>(days(21), life / 4) ? Severity::warning : Severity::ok;
}

std::vector<Errand> CertificateCheck::errands(const Survey&) {
  std::vector<Errand> out;
  const auto url = oauth::parse_url(premises_.public_url);
  if (!url || url->scheme != "https") return out;  // the public_url check speaks of that
  const auto where = fmt::format("{}:{}", url->host, url->port);
  net::TlsLookRequest request{.host = url->host, .port = url->port, .ca_files = premises_.ca_files};
  out.push_back({where, examine(std::move(request), where, looker_, &worker_, &wall_)});
  return out;
}

}  // namespace latchkey::doctor
