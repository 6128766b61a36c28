#include "relay/relay_service.h"

#include <fmt/format.h>

#include "base/json.h"
#include "net/forwarding.h"
#include "pages/flow_assets.h"
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

void add_certificate(std::string& text, const CertificateFigures& figures) {
  text += fmt::format(
      "# HELP latchkey_relay_certificate_days_left Until the relay's certificate ends; negative: it has.\n"
      "# TYPE latchkey_relay_certificate_days_left gauge\nlatchkey_relay_certificate_days_left {}\n"
      "# HELP latchkey_relay_certificate_refused 1 while its files hold something that cannot be used.\n"
      "# TYPE latchkey_relay_certificate_refused gauge\nlatchkey_relay_certificate_refused {}\n",
      figures.days_left, figures.refused ? 1 : 0);
}

}  // namespace

std::size_t RelayService::body_limit(std::string_view method, std::string_view path) const {
  if (method != "POST") return 0;
  return path == cloud::kTokenPath || path == cloud::kRevocationPath ? kTokenBodyMax : kBodyMax;
}

std::optional<net::HttpResponse> RelayService::try_handle_now(const net::HttpRequest& request) {
  const bool read = request.method == "GET" || request.method == "HEAD";
  if (read && request.path == "/healthz") return health();
  if (read && request.path == "/metrics" && may_read_metrics(request)) return metrics();
  const bool of_office = request.path.starts_with(kApiPrefix);
  if (!request.is_confidential()) {
    const Error error{.kind = ErrorKind::refused,
                      .reason = "not_https",
                      .text = "This Cloud Service is used over https only, and this connection is not. Where a proxy stands before it, "
                              "its operator must let the service trust the proxy's word."};
    return of_office ? parts_.api.refusal(error, request) : parts_.pages.refusal(error, request);
  }
  if (const auto why = closed(); why && !pages::flow_asset(request.path))
    return of_office ? parts_.api.refusal(*why, request) : parts_.pages.refusal(*why, request);
  if (of_office) return std::nullopt;
  return parts_.pages.try_answer(request);
}

std::optional<net::HttpResponse> RelayService::refuse_body(const net::HttpRequest& request) {
  if (!request.path.starts_with(kApiPrefix)) return std::nullopt;
  if (auto answered = try_handle_now(request)) return answered;  // not over https, or nothing is served: whatever the body says
  if (request.path == cloud::kEnrolPath) return std::nullopt;
  // The book may be a moment old, so a small body of an office it does not know is heard: there is a look into it then.
  const auto signer = parts_.api.named_signer(request);
  if (signer || (net::states_small_body(request) && signer.error().reason == "office_unknown")) return std::nullopt;
  return parts_.api.refusal(signer.error(), request);
}

net::HttpResponse RelayService::refusal(const net::HttpRefusal& why, const net::HttpRequest& request) const {
  const Error error{.kind = ErrorKind::invalid, .reason = std::string(why.code), .text = std::string(why.detail)};
  return request.path.starts_with(kApiPrefix) ? parts_.api.refusal(error, request, why.status) : parts_.pages.refusal(error, request, why.status);
}

bool RelayService::may_read_metrics(const net::HttpRequest& request) const {
  if (!request.client_known) return false;
  // A proxy that nobody named, on this machine or in metrics_from: the address is its own, and not that of who asks.
  const auto& client = request.client;
  if (client == request.peer && net::is_sent_on(request.headers)) return false;
  return client.is_loopback() || std::ranges::any_of(parts_.metrics_from, [&](const auto& each) { return each.contains(client); });
}

std::optional<Error> RelayService::closed() {
  if (parts_.offices.age() <= kBookAgeMax) {
    told_ = false;
    return std::nullopt;
  }
  Error error{
      .kind = ErrorKind::unavailable,
      .reason = "enrolments_not_read",
      .text =
          "This Cloud Service cannot read at present which offices it serves, so it lets nothing through. Nothing is "
          "wrong with your account or with the office. Press Authorize again later; its operator's log says more."};
  if (!told_.exchange(true)) parts_.log.error("closed_until_enrolments_are_read", error);
  return error;
}

net::HttpResponse RelayService::health() const {
  const bool open = parts_.offices.age() <= kBookAgeMax;
  auto response = net::HttpResponse::json(open ? 200 : 503, JsonObject{{"status", open ? "ok" : "enrolments_not_read"}});
  pages::secure_api(response);
  return response;
}

Task<net::HttpResponse> RelayService::handle(net::HttpRequest request) {
  if (request.path.starts_with(kApiPrefix)) co_return co_await parts_.api.answer(std::move(request));
  static_cast<void>(co_await parts_.look.read_for(request.source()));
  co_return parts_.pages.answer(request);
}

net::HttpResponse RelayService::metrics() const {
  std::string text = fmt::format(
      "# HELP latchkey_relay_offices Offices that are enrolled and not revoked.\n# TYPE latchkey_relay_offices gauge\n"
      "latchkey_relay_offices {}\n"
      "# HELP latchkey_relay_enrolments_age_seconds Since the book of enrolments was read; above {} nothing is served.\n"
      "# TYPE latchkey_relay_enrolments_age_seconds gauge\nlatchkey_relay_enrolments_age_seconds {}\n"
      "# HELP latchkey_relay_flows_total Authorisations by how far they came.\n# TYPE latchkey_relay_flows_total counter\n",
      parts_.offices.count(), kBookAgeMax.count(), parts_.offices.age().count());
  const std::pair<std::string_view, std::int64_t> steps[] = {{"shown", parts_.counters.shown},
                                                             {"continued", parts_.counters.continued},
                                                             {"returned", parts_.counters.returned},
                                                             {"collected", parts_.counters.collected}};
  for (const auto& [step, count] : steps) text += fmt::format("latchkey_relay_flows_total{{step=\"{}\"}} {}\n", step, count);
  text += fmt::format(
      "# HELP latchkey_relay_enrolments_total Offices enrolled since the start.\n"
      "# TYPE latchkey_relay_enrolments_total counter\nlatchkey_relay_enrolments_total {}\n"
      "# HELP latchkey_relay_assertions_total Client assertions signed.\n"
      "# TYPE latchkey_relay_assertions_total counter\nlatchkey_relay_assertions_total {}\n"
      "# HELP latchkey_relay_revocations_total Revocations passed on to providers, by what came of them.\n"
      "# TYPE latchkey_relay_revocations_total counter\nlatchkey_relay_revocations_total{{outcome=\"revoked\"}} {}\n"
      "latchkey_relay_revocations_total{{outcome=\"refused\"}} {}\n"
      "latchkey_relay_revocations_total{{outcome=\"unreachable\"}} {}\n"
      "# HELP latchkey_relay_refused_total What was refused, by reason.\n# TYPE latchkey_relay_refused_total counter\n",
      parts_.counters.enrolled.load(), parts_.counters.asserted.load(), parts_.counters.revoked.load(), parts_.counters.not_revoked.load(),
      parts_.counters.revocations_unreachable.load());
  for (const auto& [reason, count] : parts_.counters.refusals())
    text += fmt::format("latchkey_relay_refused_total{{reason=\"{}\"}} {}\n", reason, count);
  if (parts_.exchanges != nullptr) add_exchanges(text, *parts_.exchanges);
  if (parts_.certificate != nullptr) add_certificate(text, parts_.certificate->figures());
  text += fmt::format(
      "# HELP latchkey_relay_request_bodies_bytes What bodies of requests hold in memory beyond what is free for each.\n"
      "# TYPE latchkey_relay_request_bodies_bytes gauge\nlatchkey_relay_request_bodies_bytes {}\n"
      "# HELP latchkey_relay_request_bodies_refused_total Requests refused because there was no room for their bodies.\n"
      "# TYPE latchkey_relay_request_bodies_refused_total counter\nlatchkey_relay_request_bodies_refused_total {}\n",
      parts_.bodies.held_bytes(), parts_.bodies.refused());
  auto response = net::HttpResponse::text(200, std::move(text));
  response.with("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  pages::secure_api(response);
  return response;
}

}  // namespace latchkey::relay
