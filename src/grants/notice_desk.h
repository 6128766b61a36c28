// What people do with the channels of notices: look, try, set their secrets.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"

namespace latchkey::grants {

enum class Channel { mail, webhook };
[[nodiscard]] std::string_view name_of(Channel channel);
[[nodiscard]] std::optional<Channel> parse_channel(std::string_view name);

struct ChannelStatus {
  Channel channel = Channel::mail;
  bool on = false;
  std::string target;  // where to, without secrets
  bool secret_set = false;
  std::optional<WallTime> last_told_at;
  std::optional<WallTime> failing_since;
  std::string problem;  // words; empty: none
  std::int64_t told = 0;
  std::int64_t failed = 0;
};

// A mail to one person, about something that somebody here has asked for.
struct PersonMail {
  std::string to;       // one address
  std::string subject;
  std::string text;     // UTF-8, lines ending in LF
};

// Called on the engine's executor.
class NoticeDesk {
 public:
  virtual ~NoticeDesk() = default;
  // A notice that only says that notices arrive. Errors: conflict/`channel_off`, and whatever stands in the way.
  [[nodiscard]] virtual Task<Result<void>> test(Channel channel) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<ChannelStatus>>> status() = 0;
  // By the relay that notices go by; the sender is theirs. Whether it arrives is not known. Errors: invalid/`bad_address` with field
  // `to`; conflict/`channel_off` (no relay, or no sender), `too_many_mails` (100 an hour, on this server); what the relay said.
  [[nodiscard]] virtual Task<Result<void>> mail_person(PersonMail mail) = 0;
  // The password of the relay that is set now (it goes to no other), or what signs the webhook's posts; an empty one takes it away.
  [[nodiscard]] virtual Task<Result<void>> set_secret(Channel channel, Secret secret, std::string actor, std::string source) = 0;
};

}  // namespace latchkey::grants
