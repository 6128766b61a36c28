#include "delivery/mail_caps.h"

namespace latchkey::delivery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr auto kRecipients = "mail.recipients:";  // an hour each
constexpr auto kMessages = "mail.messages:";      // a minute each

std::unexpected<Error> cap_reached(std::string text, Seconds retry_after) {
  return fail(ErrorKind::unavailable, "mail_cap_reached", std::move(text), {.retry_after = retry_after});
}

}  // namespace

MailSender sender_of(const Submitter& submitter) {
  if (const auto* caller = std::get_if<grants::Caller>(&submitter)) return {.user = caller->user, .device = {}};
  if (const auto* device = std::get_if<people::AdmittedDevice>(&submitter)) return {.user = {}, .device = device->device};
  return {};
}

std::string principal_of(const MailSender& sender) {
  if (!sender.user.none()) return "user:" + sender.user.text();
  return "device:" + sender.device.text();
}

Task<Result<std::int64_t>> MailCaps::sum(std::string name, WallTime since) {
  const auto tallies = co_await parts_.store.tallies(name, since);
  if (!tallies) co_return std::unexpected(tallies.error());
  std::int64_t count = 0;
  for (const auto& tally : *tallies) {
    if (tally.name == name) count += tally.count;
  }
  co_return count;
}

Task<Result<void>> MailCaps::check(std::string principal, std::size_t recipients) {
  const auto limits = parts_.limits();
  const auto wanted = static_cast<std::int64_t>(recipients);
  if (wanted > limits.recipients_per_day)
    co_return fail(ErrorKind::refused, "too_many_recipients",
                   "The mail has more recipients than one sender may write to in a day (" +
                       std::to_string(limits.recipients_per_day) + ").");
  co_return co_await check_sums(std::move(principal), wanted, 1);
}

Task<Result<void>> MailCaps::check_sums(std::string principal, std::int64_t wanted, std::int64_t messages) {
  const auto limits = parts_.limits();
  const auto now = parts_.wall.now();
  const auto sent = co_await sum(kMessages + principal, std::chrono::floor<minutes>(now));
  if (!sent) co_return std::unexpected(sent.error());
  if (*sent + messages > limits.messages_per_minute)
    co_return cap_reached("This sender has sent as many mails as one may in a minute. Try again in the next.", Seconds(60));
  const auto today = co_await sum(kRecipients + principal, std::chrono::floor<hours>(now) - hours(23));
  if (!today) co_return std::unexpected(today.error());
  if (*today + wanted > limits.recipients_per_day)
    co_return cap_reached("This sender has written to as many recipients as one may in a day. Try again later.",
                          Seconds(3600));
  co_return Result<void>{};
}

Task<Result<void>> MailCaps::add(Taken taken, std::int64_t sign) {
  co_return co_await parts_.store.commit(
      {store::AddTally{{.name = kMessages + taken.principal, .at = std::chrono::floor<minutes>(taken.at), .count = sign}},
       store::AddTally{{.name = kRecipients + taken.principal,
                        .at = std::chrono::floor<hours>(taken.at),
                        .count = sign * taken.recipients}}});
}

Task<Result<MailCaps::Taken>> MailCaps::take(std::string principal, std::size_t recipients) {
  if (const auto may = co_await check(principal, recipients); !may) co_return std::unexpected(may.error());
  Taken taken{.principal = principal, .recipients = static_cast<std::int64_t>(recipients), .at = parts_.wall.now()};
  if (const auto counted = co_await add(taken, 1); !counted) co_return std::unexpected(counted.error());
  // Others may have been counted meanwhile: whoever finds the sum too high, itself among it, goes.
  if (const auto may = co_await check_sums(std::move(principal), 0, 0); !may) {
    (void)co_await give_back(std::move(taken));
    co_return std::unexpected(may.error());
  }
  co_return taken;
}

Task<Result<void>> MailCaps::give_back(Taken taken) { co_return co_await add(std::move(taken), -1); }

}  // namespace latchkey::delivery
