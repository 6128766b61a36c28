#include "relay/relay_service.h"

#include <fmt/format.h>

#include "base/json.h"
#include "pages/security_headers.h"

namespace latchkey::relay {
namespace {

constexpr std::string_view kApiPrefix = "/relay/";
constexpr std::size_t kBodyMax = 16 * 1024;

}  // namespace

std::size_t RelayService::body_limit(std::string_view method, std::string_view) const { return method == "POST" ? kBodyMax : 0; }

std::optional<net::HttpResponse> RelayService::try_handle_now(const net::HttpRequest& request) {
  const bool read = request.method == "GET" || request.method == "HEAD";
  if (read && request.path == "/healthz") {
    auto response = net::HttpResponse::json(200, JsonObject{{"status", "ok"}});
    pages::secure_api(response);
    return response;
  }
  if (read && request.path == "/metrics") return metrics();
  if (!request.is_confidential()) {
    return pages_.refusal({.kind = ErrorKind::refused,
                           .reason = "not_https",
                           .text = "This Cloud Service is used over https only, and this connection is not."},
                          request);
  }
  if (request.path.starts_with(kApiPrefix)) return std::nullopt;
  return pages_.answer(request);
}

Task<net::HttpResponse> RelayService::handle(net::HttpRequest request) { co_return co_await api_.answer(std::move(request)); }

net::HttpResponse RelayService::metrics() const {
  std::string text = fmt::format(
      "# HELP latchkey_relay_offices Offices that are enrolled and not revoked.\n# TYPE latchkey_relay_offices gauge\n"
      "latchkey_relay_offices {}\n"
      "# HELP latchkey_relay_flows_total Authorisations by how far they came.\n# TYPE latchkey_relay_flows_total counter\n",
      offices_.count());
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
