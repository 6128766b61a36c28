// The ways to a token endpoint that a Cloud Service offers: it signs an assertion, and the request goes on from here (RULES
// S3); or it makes the exchange and keeps the answer until it is acknowledged (S4). An outage of the service is one thing,
// one of a provider another (C7): this has a breaker of its own, for all that goes by way of it.
#pragma once

#include <functional>
#include <string>

#include "base/task_group.h"
#include "catalog/provider.h"
#include "grants/alerts.h"
#include "grants/circuit.h"
#include "grants/cloud_enrolment_reader.h"
#include "grants/cloud_line.h"
#include "grants/token_way.h"

namespace latchkey::grants {

// Where a request belongs at the service.
struct CloudTarget {
  std::string address;  // of the service
  cloud::ServiceTarget target;
};

// Lives on the engine's executor; outlives the ways it gives out.
class CloudWays {
 public:
  struct Parts {
    store::Store& store;
    const Sealing& sealing;
    CloudLine& line;
    net::HttpTransport& transport;
    Alerts& alerts;
    const WallClock& wall;
    SteadyClock& steady;
    Log& log;
    Executor executor;
  };
  explicit CloudWays(Parts parts)
      : parts_(parts), enrolment_(parts.store, parts.sealing), acknowledging_(parts.executor, parts.log) {}

  // nullptr: in forward mode a request goes straight to its provider.
  [[nodiscard]] std::shared_ptr<TokenWay> way(cloud::Mode mode, CloudTarget target);
  // Acknowledgements on their way are waited for; those that fail are made up for by the next request (S4).
  [[nodiscard]] Task<void> stop() { return acknowledging_.drain(); }

 private:
  class AssertionWay;
  class ExchangeWay;
  // Errors: misconfigured/`cloud_not_enrolled`.
  [[nodiscard]] Task<Result<CloudEnrolment>> enrolment_at(std::string address);
  // Asks until somebody answers: for a moment, since a service that restarts is no outage. Errors: those of CloudLine, as
  // what they mean for a refresh; unavailable/`cloud_service_unreachable` at once while the breaker is open, which any answer
  // of the service's closes. What is this server's own trouble says nothing of the service.
  template <class Value>
  [[nodiscard]] Task<Result<Value>> ask(std::string address, SteadyTime until,
                                        std::function<Task<Result<Value>>(CloudEnrolment, Milliseconds)> question);
  [[nodiscard]] Error outage(const std::string& address) const;
  void note(const std::string& address, bool answered);
  [[nodiscard]] Task<void> acknowledge(std::string address, cloud::Acknowledgement acknowledgement);

  Parts parts_;
  CloudEnrolmentReader enrolment_;
  Circuit circuit_{{.failures_to_open = 2}};  // each has asked for a while
  SteadyTime failed_at_{};                    // the last of them
  TaskGroup acknowledging_;
};

}  // namespace latchkey::grants
