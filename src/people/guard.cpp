#include "people/guard.h"

#include <fmt/core.h>

namespace latchkey::people {
namespace {

constexpr std::chrono::hours kConfirmKnownSourceEvery{1};
constexpr Seconds kQueueFullRetry{5};

}  // namespace

Guard::Guard(Parts parts, std::string kind) : parts_(parts), kind_(std::move(kind)) {}

Error Guard::invalid_credentials() {
  return {.kind = ErrorKind::refused,
          .reason = "invalid_credentials",
          .text = "Username or PIN is wrong, unknown or switched off.",
          .detail = {},
          .field = {},
          .retry_after = {}};
}

Error Guard::too_many_attempts(Seconds retry_after) {
  return {.kind = ErrorKind::unavailable,
          .reason = "too_many_attempts",
          .text = "Too many wrong tries from this address. Wait a little, then try again.",
          .detail = {},
          .field = {},
          .retry_after = std::max(retry_after, Seconds(1))};
}

bool Guard::is_known(const UserCard& card, std::string_view source) const {
  const auto* known = card.known(source);
  return known != nullptr && parts_.wall.now() - known->last_success_at < known_source_lifetime();
}

Milliseconds Guard::known_source_lifetime() const { return parts_.registry.get<Milliseconds>("auth.known_source_lifetime"); }

std::int64_t Guard::limit_of(bool known) const {
  return parts_.registry.get<std::int64_t>(known ? "auth.pin_failures_known" : "auth.pin_failures_unknown");
}

Task<Result<Guard::Try>> Guard::begin(std::string name_key, std::string source, SteadyTime arrived, ByteView secret) {
  Try attempt;
  attempt.name_key = std::move(name_key);
  attempt.source = std::move(source);
  attempt.arrived = arrived;
  // Over the name, not the user, so that a name without a user counts in the same way. Of the newest master key: wrong PINs
  // are often nearly right ones.
  const auto print = parts_.vault.fingerprint(
      "wrong secret", vault::MacFields().add(kind_).add(attempt.name_key).add(secret).bytes());
  attempt.fingerprint = std::string(base::as_text(print));
  if (!attempt.name_key.empty()) {
    auto card = co_await parts_.cards.get(attempt.name_key);
    if (!card) co_return std::unexpected(card.error());
    attempt.card = std::move(*card);
  }
  attempt.bucket = bucket_of("*");
  if (attempt.card) {
    attempt.known = is_known(*attempt.card, attempt.source);
    if (attempt.known) attempt.bucket = bucket_of(attempt.source);
    attempt.room = limit_of(attempt.known) - attempt.card->distinct_failures(attempt.bucket);
  }
  const auto wait = throttle_.delay(pair_of(attempt), parts_.steady.now());
  if (wait > std::chrono::nanoseconds(0)) {
    attempt.limited = true;
    attempt.retry_after = std::chrono::ceil<Seconds>(wait);
  }
  const auto window = parts_.registry.get<Milliseconds>("auth.spray_window");
  const auto spray = co_await parts_.store.spray_count(bucket_of(attempt.source), parts_.wall.now() - window);
  if (!spray) co_return std::unexpected(spray.error());
  if (*spray >= parts_.registry.get<std::int64_t>("auth.spray_limit")) {
    attempt.limited = true;
    attempt.retry_after = std::max(attempt.retry_after, std::chrono::ceil<Seconds>(window / 10));
    const auto which = base::to_unix_ms(parts_.wall.now()) / window.count();
    if (throttle_.first_time(fmt::format("limited {} {}", attempt.source, which))) {
      parts_.log.warning("source_limited", {{"source", attempt.source}, {"wrong_tries", *spray}});
      parts_.watcher.source_limited(attempt.source);
    }
  }
  co_return attempt;
}

store::PinFailure Guard::failure(UserId user, std::string bucket, const std::string& fingerprint) const {
  return {.user = user, .bucket = std::move(bucket), .fingerprint = base::to_bytes(fingerprint), .at = parts_.wall.now()};
}

Task<Result<void>> Guard::charge_wrong(Try attempt) {
  const auto most = parts_.registry.get<Milliseconds>("auth.backoff_max");
  throttle_.wrong(pair_of(attempt), attempt.fingerprint, parts_.steady.now(), most);
  const auto& card = *attempt.card;
  store::Batch batch;
  // The source's own row counts for its spray budget, and for its own budget once it is known.
  batch.push_back(store::RecordPinFailure{failure(card.id, bucket_of(attempt.source), attempt.fingerprint)});
  if (!attempt.known) batch.push_back(store::RecordPinFailure{failure(card.id, attempt.bucket, attempt.fingerprint)});
  if (auto done = co_await parts_.store.commit(std::move(batch)); !done) co_return done;
  parts_.cards.forget(card.username_key);
  const auto now = co_await parts_.cards.get(card.username_key);
  if (!now || !*now) co_return Result<void>();
  const auto before = card.distinct_failures(attempt.bucket);
  const auto after = (*now)->distinct_failures(attempt.bucket);
  const auto limit = limit_of(attempt.known);
  if (before >= limit || after < limit) co_return Result<void>();
  const std::string where = attempt.known ? attempt.source : "*";
  parts_.log.warning("wrong_pin_budget_reached", {{"user", card.id.text()}, {"bucket", where}});
  parts_.watcher.budget_reached(card.id, card.username, where);
  store::Batch told;
  told.push_back(store::AppendAudit{audit_entry(
      parts_.wall.now(), {.name = "gate", .source = attempt.source}, "user.locked", card.username, card.id,
      fmt::format("{} distinct wrong tries {}; reset the counter or change the PIN",
                  after, attempt.known ? "from " + attempt.source : "from addresses never right before"))});
  co_return co_await parts_.store.commit(std::move(told));
}

Task<Result<void>> Guard::charge_unevaluated(Try attempt) {
  const auto most = parts_.registry.get<Milliseconds>("auth.backoff_max");
  throttle_.wrong(pair_of(attempt), attempt.fingerprint, parts_.steady.now(), most);
  store::Batch batch;
  batch.push_back(store::RecordPinFailure{failure(UserId(), bucket_of(attempt.source), attempt.fingerprint)});
  co_return co_await parts_.store.commit(std::move(batch));
}

Task<Result<void>> Guard::note_right(Try attempt) {
  throttle_.right(pair_of(attempt));
  const auto* known = attempt.card->known(attempt.source);
  const auto now = parts_.wall.now();
  if (known != nullptr && attempt.known && now - known->last_success_at < kConfirmKnownSourceEvery) co_return Result<void>();
  store::Batch batch;
  batch.push_back(store::PutKnownSource{
      .source = {.user = attempt.card->id, .source = attempt.source, .last_success_at = now},
      .most = parts_.registry.get<std::int64_t>("auth.known_sources_max")});
  auto done = co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping);
  parts_.cards.forget(attempt.card->username_key);
  co_return done;
}

Task<void> Guard::wait_for_refusal(SteadyTime arrived, SteadyTime ready) const {
  const auto step = std::chrono::nanoseconds(parts_.registry.get<Milliseconds>("auth.refusal_delay"));
  const auto after = std::max(parts_.steady.now(), ready) - arrived;
  const auto steps = after.count() < 0 ? 1 : after.count() / step.count() + 1;
  co_await parts_.steady.sleep_until(arrived + step * steps);
}

Task<Error> Guard::refuse_limited(Try attempt) {
  co_await wait_for_refusal(attempt.arrived, attempt.arrived);
  co_return too_many_attempts(attempt.retry_after);
}

Task<Error> Guard::refuse_for_want_of_room(Try attempt) {
  co_await wait_for_refusal(attempt.arrived, attempt.arrived);
  co_return too_many_attempts(kQueueFullRetry);
}

// Each takes its turn first and is charged afterwards, in the time that is left until `ready`: what charging costs moves
// no refusal to another moment.
Task<Error> Guard::refuse_unevaluated(Try attempt) {
  const auto ready = co_await parts_.hasher.pretend(lane_of(attempt), attempt.fingerprint);
  if (!ready) co_return co_await refuse_for_want_of_room(attempt);  // as little charged as where a hash found no place
  if (auto charged = co_await charge_unevaluated(attempt); !charged) co_return charged.error();
  co_await wait_for_refusal(attempt.arrived, *ready);
  co_return invalid_credentials();
}

Task<Error> Guard::refuse_wrong(Try attempt, SteadyTime ready) {
  if (auto charged = co_await charge_wrong(attempt); !charged) co_return charged.error();
  co_await wait_for_refusal(attempt.arrived, ready);
  co_return invalid_credentials();
}

Task<Error> Guard::refuse_wrong_quickly(Try attempt) {
  const auto ready = co_await parts_.hasher.pretend(lane_of(attempt), attempt.fingerprint);
  // It has been evaluated, place or no place, and must not be had for nothing.
  if (auto charged = co_await charge_wrong(attempt); !charged) co_return charged.error();
  if (!ready) co_return co_await refuse_for_want_of_room(attempt);
  co_await wait_for_refusal(attempt.arrived, *ready);
  co_return invalid_credentials();
}

}  // namespace latchkey::people
