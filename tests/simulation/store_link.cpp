#include "store_link.h"

#include <fmt/format.h>

#include "base/pool.h"

namespace latchkey::simulation {
namespace {

// Worlds in order stay below 700 and 40 a grant.
constexpr std::size_t kCallsPerMinute = 1'000;
constexpr std::size_t kCallsPerMinuteAndGrant = 60;
constexpr std::size_t kCallsPerGrantAndFailOver = 8;

}  // namespace

Task<void> StoreLink::moment() {
  auto start = [this](auto resume) {
    timeline_.after(Nanoseconds(chance_.between(1'000, weather_.moment.count())), &process_, [resume = std::move(resume)]() mutable { resume(0); });
  };
  static_cast<void>(co_await base::suspend_until<int>(std::move(start)));
}

void StoreLink::count_call() {
  const auto now = timeline_.now();
  if (now - minute_ >= std::chrono::minutes(1)) {
    minute_ = now;
    calls_ = 0;
    refused_ = 0;
  }
  // A step of the clock may begin the approach to "too early" anew, for all grants of such a provider at once (R15).
  // After a fail-over every grant is looked at that the journal knows of.
  const auto of_each = kCallsPerMinuteAndGrant * (invariants_.clocks_stepped ? 2 : 1) + kCallsPerGrantAndFailOver * invariants_.fallen_back_lately();
  // A reply that the store will not take is offered again every second, and the grant looked at before (R4).
  if (++calls_ > kCallsPerMinute + of_each * invariants_.subjects.size() + 2 * refused_) {
    invariants_.fail(0, "hot loop", fmt::format("{} asks its store {} times within a minute", process_.name(), calls_));
  }
}

Task<Result<void>> StoreLink::commit(store::Batch batch, store::Urgency urgency) {
  if (process_.dead()) co_return unreachable();
  count_call();
  if (chance_.happens(weather_.slow)) co_await moment();
  if (cut_off()) {
    ++refused_;
    co_return unreachable();
  }
  if (chance_.happens(weather_.refused)) {
    ++refused_;
    ++taken["commit_refused"];
    co_return unreachable();
  }
  see_whom_it_reaches();
  auto copy = batch;
  auto done = co_await store_.commit(std::move(copy), urgency);
  refused_ += done ? 0 : 1;
  // Of a process that has died meanwhile, what was answered counts: it had been written.
  if (done) invariants_.committed(process_, batch);
  if (done && chance_.happens(weather_.answer_lost)) {
    ++taken["commit_answer_lost"];
    co_return fail(ErrorKind::ambiguous, "commit_ambiguous", "The answer to the commit was lost.");
  }
  if (chance_.happens(weather_.slow)) co_await moment();
  if (cut_off()) {
    ++taken["commit_answer_lost"];
    if (done) co_return fail(ErrorKind::ambiguous, "commit_ambiguous", "The answer to the commit was lost.");
    co_return unreachable();
  }
  co_return done;
}

Task<Result<void>> JournalLink::record(store::JournalEntry entry) {
  const auto grant = entry.grant;
  const auto intent = entry.intent;
  auto done = co_await journal_.record(std::move(entry));
  if (done || !process_.dead()) invariants_.journaled(process_, grant, intent, done.has_value());
  co_return done;
}

Task<Result<std::vector<store::JournalEntry>>> JournalLink::unconfirmed() {
  auto found = co_await journal_.unconfirmed();
  if (!found) co_return found;
  for (const auto& entry : *found) invariants_.found_in_journal(entry.intent);
  co_return found;
}

}  // namespace latchkey::simulation
