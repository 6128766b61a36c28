// The SMTP submission door (docs/design/smtp.md): a mail to CONNECTOR@DROP-DOMAIN delivers its attachments to that connector.
// 250 means that everything is on the disk and in the store.
//
// Concurrency: thread-safe, runs on every worker.
#pragma once

#include <memory>

#include "delivery/counters.h"
#include "delivery/mail_post.h"
#include "delivery/reception.h"
#include "doors/question_pace.h"
#include "doors/smtp/smtp_settings.h"
#include "net/stream_server.h"
#include "people/device_conversations.h"
#include "people/door_gate.h"

namespace latchkey::doors {

class SmtpDoor final : public net::StreamHandler {
 public:
  struct Parts {
    people::DoorGate& gate;
    delivery::Reception& reception;
    delivery::MailPost& post;
    delivery::Counters& counters;
    SmtpCounters& smtp_counters;
    people::DeviceConversations& conversations;
    const WallClock& wall;
    SteadyClock& steady;
    Log& log;
    SmtpSettings settings;
  };
  explicit SmtpDoor(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] Task<void> serve(std::shared_ptr<net::StreamConnection> connection) override;
  [[nodiscard]] net::StreamCaller caller(std::size_t listener, const net::IpAddress& peer) const override;
  [[nodiscard]] std::string busy_line() const override { return "421 4.3.2 Too many connections: try again later\r\n"; }

 private:
  Parts parts_;
  QuestionPace pace_;
};

}  // namespace latchkey::doors
