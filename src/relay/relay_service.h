// The Cloud Service as one HTTP handler: pages for browsers, the offices' API, /healthz and /metrics. Everything but the
// last two is served over https alone, up to this process or to a trusted proxy before it, and only while the book of
// enrolments can be read: a revocation holds, or nothing goes on.
#pragma once

#include <atomic>
#include <optional>

#include "net/http_server.h"
#include "relay/browser_pages.h"
#include "relay/office_api.h"
#include "relay/served_certificate.h"

namespace latchkey::relay {

// A resource; what it is given outlives it. Thread-safe.
class RelayService final : public net::HttpHandler {
 public:
  struct Parts {
    const BrowserPages& pages;
    const OfficeApi& api;
    const BookLook& look;
    const EnrolledOffices& offices;
    const RelayCounters& counters;
    const ExchangeCounters* exchanges = nullptr;     // nullptr: no registration is in exchange mode
    const ServedCertificate* certificate = nullptr;  // nullptr: a proxy before it has one
    // Who may read /metrics besides this machine: it tells of all offices, and each of them is a stranger to the others.
    std::vector<net::Cidr> metrics_from;
    const net::BodyBudget& bodies;
    Log& log;
  };
  explicit RelayService(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] std::optional<net::HttpResponse> try_handle_now(const net::HttpRequest& request) override;
  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view method, std::string_view path) const override;
  // An office's body is gathered only where its signature names an office that is enrolled; more than a small one, only where
  // that is known already.
  [[nodiscard]] std::optional<net::HttpResponse> refuse_body(const net::HttpRequest& request) override;
  [[nodiscard]] net::HttpResponse refusal(const net::HttpRefusal& why, const net::HttpRequest& request) const override;

 private:
  [[nodiscard]] net::HttpResponse health() const;
  [[nodiscard]] bool may_read_metrics(const net::HttpRequest& request) const;
  [[nodiscard]] net::HttpResponse metrics() const;
  // What is said instead of an answer; nullopt: the book is known well enough.
  [[nodiscard]] std::optional<Error> closed();

  const Parts parts_;
  std::atomic<bool> told_{false};  // that it is closed
};

}  // namespace latchkey::relay
