#include "doctor/clock_check.h"

#include <fmt/format.h>

#include <set>

#include "doctor/endpoints_in_use.h"
#include "oauth/http_date.h"

namespace latchkey::doctor {

namespace {

constexpr Seconds kWarnFrom{30};
constexpr Seconds kErrorFrom{300};  // what signed assertions and certificates bear at most
constexpr std::size_t kClocksAsked = 5;

void judge(Finding& finding, Milliseconds difference) {
  const auto seconds = std::chrono::abs(std::chrono::duration_cast<Seconds>(difference));
  if (seconds < kWarnFrom) {
    finding.seen = "This clock and the one there agree.";
    return;
  }
  finding.severity = seconds < kErrorFrom ? Severity::warning : Severity::error;
  finding.seen =
      fmt::format("This clock is {} s {} the one there.", seconds.count(), difference.count() > 0 ? "ahead of" : "behind");
  finding.remedy =
      "Set the clock by NTP (timedatectl set-ntp true). Tokens are refreshed by it, and TLS judges certificates by it.";
}

Task<std::vector<Finding>> examine(OriginInUse origin, net::HttpTransport* transport, const WallClock* wall,
                                   const SteadyClock* steady) {
  Finding finding{.check = {}, .subject = origin.origin, .seen = {}, .remedy = {}, .handovers = {}};
  const auto began = steady->now();
  net::HttpCall call{.method = "HEAD", .url = origin.url};
  call.reuse = net::Reuse::fresh_connection;
  call.connect_timeout = Milliseconds(8'000);
  call.total_timeout = Milliseconds(12'000);
  const auto outcome = co_await transport->send(std::move(call));
  const auto round_trip = std::chrono::ceil<Milliseconds>(steady->now() - began);
  const auto* reply = std::get_if<net::Reply>(&outcome);
  const auto date = reply == nullptr ? std::nullopt : oauth::parse_http_date(std::string(reply->headers.value_or("Date")));
  if (date) {
    judge(finding, clock_difference(wall->now(), *date, round_trip));
  } else {
    finding.severity = Severity::note;
    finding.seen =
        reply == nullptr ? "It did not answer, so the clocks could not be compared." : "Its answer names no time.";
    finding.remedy = reply == nullptr ? "The outgoing check says where the line ends."
                                      : "Look whether this machine keeps its clock by NTP (timedatectl).";
  }
  co_return std::vector<Finding>{std::move(finding)};
}

}  // namespace

Milliseconds clock_difference(WallTime ours, WallTime theirs, Milliseconds round_trip) {
  // It was then, by their clock, between theirs and theirs + 1 s; it is now at most the round trip later.
  const auto earliest = theirs;
  const auto latest = theirs + Seconds(1) + round_trip;
  if (ours < earliest) return ours - earliest;
  return ours > latest ? ours - latest : Milliseconds(0);
}

std::vector<Errand> ClockCheck::errands(const Survey& survey) {
  std::vector<Errand> out;
  for (auto& origin : origins_in_use(survey)) {
    if (out.size() == kClocksAsked) break;
    auto subject = origin.origin;
    out.push_back({std::move(subject), examine(std::move(origin), &transport_, &wall_, &steady_)});
  }
  return out;
}

}  // namespace latchkey::doctor
