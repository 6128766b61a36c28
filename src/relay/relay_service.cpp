#include "relay/relay_service.h"

#include <fmt/format.h>

#include "base/json.h"
#include "pages/flow_assets.h"
#include "pages/security_headers.h"

namespace latchkey::relay {
namespace {

constexpr std::string_view kApiPrefix = "/relay/";
constexpr std::size_t kBodyMax = 16 * 1024;

}  // namespace

std::size_t RelayService::body_limit(std::string_view method, std::string_view) const {
  return method == "POST" ? kBodyMax : 0;
}

std::optional<net::HttpResponse> RelayService::try_handle_now(const net::HttpRequest& request) {
  const bool read = request.method == "GET" || request.method == "HEAD";
  if (read && request.path == "/healthz") return health();
  if (read && request.path == "/metrics") return metrics();
  if (!request.is_confidential()) {
    return pages_.refusal({.kind = ErrorKind::refused,
                           .reason = "not_https",
                           .text = "This Cloud Service is used over https only, and this connection is not."},
                          request);
  }
  const bool of_office = request.path.starts_with(kApiPrefix);
  if (const auto why = closed(); why && !pages::flow_asset(request.path))
    return of_office ? api_.refusal(*why, request) : pages_.refusal(*why, request);
  if (of_office) return std::nullopt;
  return pages_.answer(request);
}

std::optional<Error> RelayService::closed() {
  if (offices_.age() <= kBookAgeMax) {
    told_ = false;
    return std::nullopt;
  }
  Error error{
      .kind = ErrorKind::unavailable,
      .reason = "enrolments_not_read",
      .text =
          "This Cloud Service cannot read at present which offices it serves, so it lets nothing through. Nothing is "
          "wrong with your account or with the office. Press Authorize again later; its operator's log says more."};
  if (!told_.exchange(true)) log_.error("closed_until_enrolments_are_read", error);
  return error;
}

net::HttpResponse RelayService::health() const {
  const bool open = offices_.age() <= kBookAgeMax;
  auto response = net::HttpResponse::json(open ? 200 : 503, JsonObject{{"status", open ? "ok" : "enrolments_not_read"}});
  pages::secure_api(response);
  return response;
}

Task<net::HttpResponse> RelayService::handle(net::HttpRequest request) {
  co_return co_await api_.answer(std::move(request));
}

net::HttpResponse RelayService::metrics() const {
  std::string text = fmt::format(
      "# HELP latchkey_relay_offices Offices that are enrolled and not revoked.\n# TYPE latchkey_relay_offices gauge\n"
      "latchkey_relay_offices {}\n"
      "# HELP latchkey_relay_enrolments_age_seconds Since the book of enrolments was read; above {} nothing is served.\n"
      "# TYPE latchkey_relay_enrolments_age_seconds gauge\nlatchkey_relay_enrolments_age_seconds {}\n"
      "# HELP latchkey_relay_flows_total Authorisations by how far they came.\n# TYPE latchkey_relay_flows_total counter\n",
      offices_.count(), kBookAgeMax.count(), offices_.age().count());
  const std::pair<std::string_view, std::int64_t> steps[] = {{"shown", counters_.shown},
                                                             {"continued", counters_.continued},
                                                             {"returned", counters_.returned},
                                                             {"collected", counters_.collected}};
  for (const auto& [step, count] : steps) text += fmt::format("latchkey_relay_flows_total{{step=\"{}\"}} {}\n", step, count);
  text += fmt::format(
      "# HELP latchkey_relay_enrolments_total Offices enrolled since the start.\n"
      "# TYPE latchkey_relay_enrolments_total counter\nlatchkey_relay_enrolments_total {}\n"
      "# HELP latchkey_relay_refused_total What was refused, by reason.\n# TYPE latchkey_relay_refused_total counter\n",
      counters_.enrolled.load());
  for (const auto& [reason, count] : counters_.refusals())
    text += fmt::format("latchkey_relay_refused_total{{reason=\"{}\"}} {}\n", reason, count);
  auto response = net::HttpResponse::text(200, std::move(text));
  response.with("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  pages::secure_api(response);
  return response;
}

}  // namespace latchkey::relay
