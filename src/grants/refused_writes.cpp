#include "grants/refused_writes.h"

#include <map>
#include <string>
#include <utility>

#include "base/broadcast.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookEvery = 5s;
constexpr std::string_view kStoreCause = "store_refuses";
constexpr std::string_view kJournalCause = "journal_full";

// Reading would prove nothing, and neither would a write that changes nothing.
Task<bool> store_takes(RefusedWrites parts) {
  const auto hour = std::chrono::floor<std::chrono::hours>(parts.wall.now());
  const auto done = co_await parts.store.commit({store::AddTally{{.name = std::string(kWritesTried), .at = hour, .count = 1}}}, store::Urgency::bookkeeping);
  co_return done.has_value();
}

Task<bool> journal_takes(RefusedWrites parts) {
  const auto place = IntentId::make(parts.wall.now(), parts.entropy);
  const auto reserved = co_await parts.journal.reserve(place);
  if (reserved) parts.journal.release(place);
  co_return reserved.has_value();
}

}  // namespace

Task<void> watch_refused_writes(RefusedWrites parts) {
  using Raised = std::pair<WallTime, std::int64_t>;  // since when, and how often
  std::map<std::string, Raised> before;
  base::Broadcast passing(co_await boost::asio::this_coro::executor);  // nobody tells it anything: time alone ends its waits
  for (;;) {
    co_await passing.wait_for(parts.steady, kLookEvery);
    std::map<std::string, Raised> now;
    for (const auto& alert : parts.alerts.current()) {
      if (alert.cause == kStoreCause || alert.cause == kJournalCause) now[alert.cause] = {alert.since, alert.times};
    }
    for (const auto& [cause, raised] : now) {
      const auto known = before.find(cause);
      if (known == before.end() || known->second != raised) continue;
      const bool takes = cause == kStoreCause ? co_await store_takes(parts) : co_await journal_takes(parts);
      if (takes) parts.alerts.clear(cause);
    }
    before = std::move(now);
  }
}

}  // namespace latchkey::grants
