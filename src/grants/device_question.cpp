#include "grants/device_question.h"

#include "catalog/catalog.h"
#include "oauth/device.h"
#include "oauth/redaction.h"

namespace latchkey::grants {
namespace {

DeviceAnswer read_answer(const ProviderClient& client, const Replied& replied) {
  using Kind = DeviceAnswer::Kind;
  const auto asked_for = replied.classified.retry_after.value_or(Seconds(0));
  switch (oauth::classify_device_poll(replied.reply)) {
    case oauth::DevicePoll::granted:
      return {.kind = Kind::granted};
    case oauth::DevicePoll::pending:
      return {.kind = Kind::pending};
    case oauth::DevicePoll::slow_down:
      return {.kind = Kind::slow_down};
    case oauth::DevicePoll::denied:
      return {.kind = Kind::denied};
    case oauth::DevicePoll::expired:
      return {.kind = Kind::expired};
    case oauth::DevicePoll::failed:
      break;
  }
  // An answer that broke off, or a success that cannot be read: the code may have been spent.
  if (replied.classified.outcome == oauth::RefreshOutcome::ambiguous)
    return {.kind = Kind::unanswered, .answer_lost = true, .retry_after = asked_for};
  const auto code = oauth::redacted(replied.reply.error);
  const auto words = catalog::error_text(*client.type.provider, code);
  Error why{.kind = ErrorKind::refused,
            .reason = code.empty() ? std::string("exchange_failed") : code,
            .text = words.sentence + (words.next_step.empty() ? "" : " " + words.next_step),
            .detail = replied.classified.why};
  const bool for_good = replied.classified.outcome == oauth::RefreshOutcome::dead_grant ||
                        replied.classified.outcome == oauth::RefreshOutcome::misconfigured_app;
  return {.kind = for_good ? Kind::refused : Kind::unanswered, .why = std::move(why), .retry_after = asked_for};
}

}  // namespace

Task<DeviceAnswer> DeviceQuestion::ask(const ProviderClient& client, const Secret& device_code, IntentId intent,
                                       GrantId exchange, ExchangeTimeouts timeouts) {
  for (std::size_t slot = 0;; ++slot) {
    auto answer = co_await ask_with(client, device_code, intent, exchange, timeouts, slot);
    const bool app_refused =
        answer.replied && answer.replied->classified.outcome == oauth::RefreshOutcome::misconfigured_app;
    if (!app_refused || answer.kind != DeviceAnswer::Kind::refused || slot + 1 >= client.secrets.size()) co_return answer;
  }
}

Task<DeviceAnswer> DeviceQuestion::ask_with(const ProviderClient& client, const Secret& device_code, IntentId intent,
                                            GrantId exchange, ExchangeTimeouts timeouts, std::size_t slot) {
  if (const auto reserved = co_await journal_.reserve(intent); !reserved) co_return DeviceAnswer{.why = reserved.error()};
  ExchangeRequest request{.intent = intent,
                          .grant = exchange,
                          .generation = 0,
                          .replay = catalog::ReplayPolicy::revokes_family,
                          .post = oauth::device_token({.endpoint = client.endpoints.token,
                                                       .client = client.registration(slot),
                                                       .device_code = &device_code,
                                                       .extra = client.type.extra.token}),
                          .errors = client.type.errors,
                          .shape = client.type.reply_shape,
                          .timeouts = timeouts};
  counters_.device_polls += 1;
  auto outcome = co_await exchange_.run(std::move(request));
  auto* replied = std::get_if<Replied>(&outcome);
  if (replied == nullptr) {
    journal_.release(intent);
    const auto* lost = std::get_if<NoReply>(&outcome);
    co_return DeviceAnswer{.why = lost != nullptr ? lost->error : std::get<NotSent>(outcome).error,
                           .answer_lost = lost != nullptr};
  }
  auto answer = read_answer(client, *replied);
  // Only what grants must survive a crash; the rest is asked again.
  if (answer.kind != DeviceAnswer::Kind::granted) journal_.confirm(intent, wall_.now());
  answer.replied = std::move(*replied);
  co_return answer;
}

}  // namespace latchkey::grants
