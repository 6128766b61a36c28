// How much mail one principal may send (RULES G2): so many recipients in 24 hours, so many messages in the running minute.
// Counted in the store's tallies: shared by all nodes, kept over restarts.
//
// Counting comes after checking: mails that come in at the same moment may exceed a cap by those few. Thread-safe.
#pragma once

#include <functional>
#include <string>

#include "delivery/submitter.h"
#include "store/store.h"

namespace latchkey::delivery {

struct MailLimits {
  std::int64_t recipients_per_day = 500;
  std::int64_t messages_per_minute = 30;
};

class MailCaps {
 public:
  struct Parts {
    store::Store& store;
    const WallClock& wall;
    std::function<MailLimits()> limits;
  };
  explicit MailCaps(Parts parts) : parts_(std::move(parts)) {}

  // Whether a message to so many may be taken now. Errors: refused/`too_many_recipients` (never, however long one waits);
  // unavailable/ `mail_cap_reached` with `retry_after`; those of the store.
  [[nodiscard]] Task<Result<void>> check(std::string principal, std::size_t recipients);
  // A message has been taken. Errors: those of the store.
  [[nodiscard]] Task<Result<void>> count(std::string principal, std::size_t recipients);

 private:
  [[nodiscard]] Task<Result<std::int64_t>> sum(std::string name, WallTime since);

  Parts parts_;
};

// Who sends a mail: a user or a device; neither: nobody who may. A value.
struct MailSender {
  UserId user;
  DeviceId device;
};
[[nodiscard]] MailSender sender_of(const Submitter& submitter);
// How the sender is called in the tallies: "user:ID", "device:ID".
[[nodiscard]] std::string principal_of(const MailSender& sender);

}  // namespace latchkey::delivery
