// One question about a device code at the token endpoint (RFC 8628 section 3.4): journaled like a code exchange, since the
// answer that grants is the only one there will be (RULES F5).
#pragma once

#include <optional>

#include "grants/exchange.h"
#include "grants/provider_client.h"
#include "store/reply_journal.h"

namespace latchkey::grants {

struct DeviceAnswer {
  enum class Kind {
    granted,    // tokens: `replied` is set, and its journal entry waits for its confirmation
    pending,    // nobody has consented yet
    slow_down,  // neither, and the interval grows
    denied,
    expired,
    refused,     // for good; `why` says in words
    unanswered,  // nothing was sent, nothing usable came back, or the provider is in trouble: ask again later
  };
  Kind kind = Kind::unanswered;
  std::optional<Replied> replied{};
  Error why{};               // with `refused` and `unanswered`
  bool answer_lost = false;  // it was sent, and what the provider did with it is not known
  Seconds retry_after{0};    // as the provider asked
};

// Borrows its parts. The engine's executor.
class DeviceQuestion {
 public:
  DeviceQuestion(store::ReplyJournal& journal, Exchange& exchange, const WallClock& wall, Counters& counters)
      : journal_(journal), exchange_(exchange), wall_(wall), counters_(counters) {}

  // `intent`: the flow's, durable already. Tries the app's second secret where the first is refused.
  [[nodiscard]] Task<DeviceAnswer> ask(const ProviderClient& client, const Secret& device_code, IntentId intent,
                                       GrantId exchange, ExchangeTimeouts timeouts);

 private:
  [[nodiscard]] Task<DeviceAnswer> ask_with(const ProviderClient& client, const Secret& device_code, IntentId intent,
                                            GrantId exchange, ExchangeTimeouts timeouts, std::size_t slot);

  store::ReplyJournal& journal_;
  Exchange& exchange_;
  const WallClock& wall_;
  Counters& counters_;
};

}  // namespace latchkey::grants
