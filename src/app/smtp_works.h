// The SMTP door and its listeners, assembled. One of the blocks of the wiring.
//
// Concurrency: start() and stop() on main().
#pragma once

#include "app/config.h"
#include "app/delivery_works.h"
#include "console/door_plan.h"
#include "doors/smtp/smtp_door.h"

namespace latchkey::app {

// A resource; the delivery works outlive it.
class SmtpWorks final : public console::MetricsSource {
 public:
  struct Ground {
    const Config& config;
    net::EventLoop& loop;
    DeliveryWorks& deliveries;
    delivery::MailPost& post;
    const store::Registry& registry;
    net::TlsServerContext* tls;  // nullptr: there is no certificate
    const WallClock& wall;
    SteadyClock& steady;
    Log& log;
  };
  explicit SmtpWorks(Ground ground);
  SmtpWorks(const SmtpWorks&) = delete;
  SmtpWorks& operator=(const SmtpWorks&) = delete;
  ~SmtpWorks() override;

  // Listens where the configuration says. Errors: misconfigured/`listen_failed`, `smtp_needs_tls`.
  [[nodiscard]] Result<void> start();
  // What is being taken in may be finished until then.
  [[nodiscard]] Task<void> stop(SteadyTime deadline);
  [[nodiscard]] Task<std::vector<console::Metric>> collect() override;
  // As devices are told of them.
  [[nodiscard]] std::vector<console::MailListener> listeners() const;

 private:
  [[nodiscard]] doors::SmtpSettings settings() const;

  Ground ground_;
  doors::SmtpCounters counters_;
  doors::SmtpDoor door_;
  net::StreamServer server_;
};

}  // namespace latchkey::app
