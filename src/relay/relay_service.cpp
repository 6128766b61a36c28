#include "relay/relay_service.h"

#include <fmt/format.h>

#include "base/json.h"
#include "pages/security_headers.h"

namespace latchkey::relay {
namespace {

constexpr std::string_view kApiPrefix = "/relay/";
constexpr std::size_t kBodyMax = 16 * 1024;
constexpr std::size_t kTokenBodyMax = 80 * 1024;  // a blob in a form in JSON

void add_exchanges(std::string& text, const ExchangeCounters& counters) {
  text +=
      "# HELP latchkey_relay_exchanges_total Requests passed on to token endpoints, by what came of them.\n"
      "# TYPE latchkey_relay_exchanges_total counter\n";
  const std::pair<std::string_view, std::int64_t> outcomes[] = {
      {"answered", counters.answered}, {"unreachable", counters.unreachable}, {"unknown", counters.unknown}};
  for (const auto& [outcome, count] : outcomes)
    text += fmt::format("latchkey_relay_exchanges_total{{outcome=\"{}\"}} {}\n", outcome, count);
  text += fmt::format(
      "# HELP latchkey_relay_replies_total Kept replies given once more, and acknowledged by their office.\n"
      "# TYPE latchkey_relay_replies_total counter\n"
      "latchkey_relay_replies_total{{event=\"repeated\"}} {}\nlatchkey_relay_replies_total{{event=\"acknowledged\"}} {}\n"
      "# HELP latchkey_relay_replies_waiting Replies kept until their office acknowledges them, a week at most.\n"
      "# TYPE latchkey_relay_replies_waiting gauge\nlatchkey_relay_replies_waiting {}\n",
      counters.repeated.load(), counters.acknowledged.load(), counters.waiting.load());
}

}  // namespace

std::size_t RelayService::body_limit(std::string_view method, std::string_view path) const {
  if (method != "POST") return 0;
  return path == cloud::kTokenPath ? kTokenBodyMax : kBodyMax;
}

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

Task<net::HttpResponse> RelayService::handle(net::HttpRequest request) {
  co_return co_await api_.answer(std::move(request));
}

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
      "# HELP latchkey_relay_assertions_total Client assertions signed.\n"
      "# TYPE latchkey_relay_assertions_total counter\nlatchkey_relay_assertions_total {}\n"
      "# HELP latchkey_relay_refused_total What was refused, by reason.\n# TYPE latchkey_relay_refused_total counter\n",
      counters_.enrolled.load(), counters_.asserted.load());
  for (const auto& [reason, count] : counters_.refusals())
    text += fmt::format("latchkey_relay_refused_total{{reason=\"{}\"}} {}\n", reason, count);
  if (exchanges_ != nullptr) add_exchanges(text, *exchanges_);
  auto response = net::HttpResponse::text(200, std::move(text));
  response.with("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  pages::secure_api(response);
  return response;
}

}  // namespace latchkey::relay
