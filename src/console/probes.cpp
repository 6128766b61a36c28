#include "console/probes.h"

#include <set>

#include <fmt/core.h>

#include "base/json.h"
#include "console/embedded.h"
#include "console/problem.h"
#include "pages/security_headers.h"

namespace latchkey::console {

std::string prometheus_text(const std::vector<Metric>& metrics) {
  std::string out;
  std::set<std::string_view> described;
  for (const auto& first : metrics) {
    if (!described.insert(first.name).second) continue;
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", first.name, first.help, first.name,
                       first.kind == Metric::Kind::counter ? "counter" : "gauge");
    // Samples of one name must stand together.
    for (const auto& metric : metrics) {
      if (metric.name != first.name) continue;
      out += metric.labels.empty() ? fmt::format("{} {}\n", metric.name, metric.value)
                                   : fmt::format("{}{{{}}} {}\n", metric.name, metric.labels, metric.value);
    }
  }
  return out;
}

std::size_t Probes::body_limit(std::string_view, std::string_view) const { return 0; }

Task<net::HttpResponse> Probes::readiness() {
  const bool started = ready_.started();
  bool ok = started;
  JsonArray checks;
  for (const auto& check : co_await ready_.check()) {
    ok = ok && check.ok;
    checks.push_back(JsonObject{{"name", check.name}, {"ok", check.ok}, {"detail", check.detail}});
  }
  const auto* status = ok ? "ok" : started ? "failing" : "starting";
  co_return net::HttpResponse::json(ok ? 200 : 503, JsonObject{{"status", status}, {"checks", std::move(checks)}});
}

Task<net::HttpResponse> Probes::metrics() {
  std::vector<Metric> all;
  for (auto* source : metrics_) {
    auto some = co_await source->collect();
    all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  auto response = net::HttpResponse::text(200, prometheus_text(all));
  response.with("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  co_return response;
}

Task<net::HttpResponse> Probes::handle(net::HttpRequest request) {
  net::HttpResponse response;
  if (request.method != "GET" && request.method != "HEAD") {
    response = response_of(refuse(405, "method_not_allowed", "This address is read with GET.").error());
    response.with("Allow", "GET, HEAD");
  } else if (request.path == "/healthz") {
    response = net::HttpResponse::json(200, JsonObject{{"status", "ok"}});
  } else if (request.path == "/readyz") {
    response = co_await readiness();
  } else if (request.path == "/metrics") {
    response = co_await metrics();
  } else {
    response.body = embedded_openapi().content;
    response.with("Content-Type", "application/json");
  }
  pages::secure_api(response);
  co_return response;
}

}  // namespace latchkey::console
