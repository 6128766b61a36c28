// The operator's addresses: /healthz, /readyz, /metrics and /api/openapi.json. No user name ever appears here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_server.h"

namespace latchkey::console {

struct Metric {
  enum class Kind { counter, gauge };
  std::string name;    // "latchkey_refreshes_total"
  std::string help;
  Kind kind = Kind::gauge;
  std::string labels;  // `state="active"`, already escaped; empty: none
  double value = 0;
};

// Whoever has figures. Called on the connection's worker.
class MetricsSource {
 public:
  virtual ~MetricsSource() = default;
  [[nodiscard]] virtual Task<std::vector<Metric>> collect() = 0;
};

struct ReadyCheck {
  std::string name;
  bool ok = false;
  std::string detail;
};

// Says whether the server can work. Called on the connection's worker.
class ReadySource {
 public:
  virtual ~ReadySource() = default;
  // Starting or stopping: false, whatever the checks say.
  [[nodiscard]] virtual bool started() const = 0;
  [[nodiscard]] virtual Task<std::vector<ReadyCheck>> check() = 0;
};

// Thread-safe; the sources outlive it.
class Probes final : public net::HttpHandler {
 public:
  Probes(ReadySource& ready, std::vector<MetricsSource*> metrics) : ready_(ready), metrics_(std::move(metrics)) {}

  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view method, std::string_view path) const override;

 private:
  [[nodiscard]] Task<net::HttpResponse> readiness();
  [[nodiscard]] Task<net::HttpResponse> metrics();

  ReadySource& ready_;
  std::vector<MetricsSource*> metrics_;
};

// Prometheus' text format, version 0.0.4: HELP and TYPE once a name, in the order given.
[[nodiscard]] std::string prometheus_text(const std::vector<Metric>& metrics);

}  // namespace latchkey::console
