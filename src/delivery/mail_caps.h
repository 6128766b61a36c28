// How much mail one principal may send (RULES G2): so many recipients in 24 hours, so many messages in the running minute.
// Counted in the store's tallies: shared by all nodes, kept over restarts.
//
// A mail is counted before it is accepted, and given back where it is not: of mails that come in at the same moment none
// exceeds a cap. Thread-safe.
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
  // A message that was counted. A value.
  struct Taken {
    std::string principal;
    std::int64_t recipients = 0;
    WallTime at;
  };
  // Counts a message that is about to be accepted. Errors: those of check(); then nothing is counted.
  [[nodiscard]] Task<Result<Taken>> take(std::string principal, std::size_t recipients);
  // It was not accepted after all. What cannot be given back goes with the day.
  [[nodiscard]] Task<Result<void>> give_back(Taken taken);

 private:
  // `wanted`: recipients that are not counted yet; `messages`: likewise.
  [[nodiscard]] Task<Result<void>> check_sums(std::string principal, std::int64_t wanted, std::int64_t messages);
  [[nodiscard]] Task<Result<void>> add(Taken taken, std::int64_t sign);
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
