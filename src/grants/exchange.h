// One POST to a token endpoint whose reply cannot be lost: sent once, kept raw and durable before anybody parses it
// (RULES F4, F5).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "base/task.h"
#include "catalog/provider.h"
#include "grants/counters.h"
#include "grants/sealing.h"
#include "grants/token_way.h"
#include "net/http_client.h"
#include "oauth/client.h"
#include "oauth/outcome.h"
#include "oauth/token_reply.h"
#include "store/reply_journal.h"

namespace latchkey::grants {

struct ExchangeTimeouts {
  Seconds connect{10};
  Seconds total{50};
};

// By which a reply in the journal tells whose it is, when its grant has been authorised anew for another account since: 16 hex digits of
// app and account. Empty: the account is not known.
[[nodiscard]] std::string mark_of_account(const store::Grant& grant);

// What is sent, for whom. `grant` is the grant's id, or the authorization's id as a GrantId for a first code exchange.
struct ExchangeRequest {
  IntentId intent;
  GrantId grant;
  store::GenerationNumber generation = 0;
  std::int32_t attempt = 0;  // of the intent, from 1; 0: it has but one
  std::int64_t turn = 0;     // of the intent: grows with each claim of it
  GrantId whose{};           // the grant that the tokens are for: none where it is `grant`
  std::string account_mark{};       // whose token is sent (mark_of_account)
  std::shared_ptr<TokenWay> way{};  // nullptr: straight to the endpoint
  catalog::ReplayPolicy replay = catalog::ReplayPolicy::revokes_family;
  oauth::FormPost post;
  std::vector<oauth::ErrorRule> errors;
  oauth::ReplyShape shape;
  ExchangeTimeouts timeouts;
};

// A complete or cut reply, parsed. `cut`: the connection ended before the reply did.
struct Replied {
  oauth::TokenReply reply;
  oauth::Classified classified;
  bool cut = false;
  std::int32_t attempt = 0;  // whose reply it is; 0: not known
  std::int64_t turn = 0;     // likewise: an attempt that spent nothing gives its number to the next one, and never its turn
  std::string account_mark{};  // of the account whose token was sent; empty: not known
  WallTime received_at{};  // what lifetimes count from, however late the reply is committed
  store::JournalEntry entry{};  // as it lies in the journal
};
// Nothing was sent; the error says why (unavailable or misconfigured).
struct NotSent {
  Error error;
};
// Sent, and nothing usable came back.
struct NoReply {
  Error error;
};
using ExchangeOutcome = std::variant<Replied, NotSent, NoReply>;
// The refresh token that came for `spent`, whatever else the reply says (F2, R12): an error may stand beside it. nullptr: none did, or
// an error repeats the one sent.
[[nodiscard]] const Secret* token_of(const ExchangeOutcome& outcome, const Secret& spent);
// Takes secrets that were sent out of the provider's words, in which it may repeat them (rule P7).
void strike_out(Replied& replied, std::span<const Secret> secrets);
// Whether something came for `spent` that must not get lost.
[[nodiscard]] bool brings_token(const ExchangeOutcome& outcome, const Secret& spent);

// Whether it came for a consent of another account than the grant's, as far as both are known.
[[nodiscard]] bool is_of_another_account(const Replied& replied, const store::Grant& grant);

// Lives on the engine's executor. The caller has reserved the journal slot and made the intent durable before run(), and
// confirms or releases the slot afterwards.
class Exchange {
 public:
  Exchange(net::HttpTransport& transport, store::ReplyJournal& journal, const Sealing& sealing, const WallClock& clock,
           const SteadyClock& steady, StepTimes& times, Log& log)
      : transport_(transport), journal_(journal), sealing_(sealing), clock_(clock), steady_(steady), times_(times), log_(log) {}

  [[nodiscard]] Task<ExchangeOutcome> run(ExchangeRequest request);

  // A reply that was journaled by an earlier process (kill -9 between reply and commit, R2), parsed as run() would have.
  [[nodiscard]] Result<Replied> replay(const store::JournalEntry& entry, const std::vector<oauth::ErrorRule>& errors,
                                       oauth::ReplyShape shape, catalog::ReplayPolicy replay) const;

 private:
  struct Raw {
    int status = 0;
    std::string content_type;
    std::string retry_after;
    Secret body;
    bool cut = false;
    std::int32_t attempt = 0;
    std::int64_t turn = 0;
    std::string account_mark;
  };
  [[nodiscard]] static Secret pack(const Raw& raw);
  [[nodiscard]] static std::optional<Raw> unpack(const Secret& packed);
  [[nodiscard]] Replied read(const Raw& raw, WallTime received_at, const std::vector<oauth::ErrorRule>& errors, oauth::ReplyShape shape,
                             catalog::ReplayPolicy replay) const;
  struct Kept {
    store::JournalEntry entry;
    bool durable = false;
  };
  [[nodiscard]] Task<Kept> keep(IntentId intent, GrantId grant, store::GenerationNumber generation, WallTime received_at,
                                               Secret packed);

  net::HttpTransport& transport_;
  store::ReplyJournal& journal_;
  const Sealing& sealing_;
  const WallClock& clock_;
  const SteadyClock& steady_;
  StepTimes& times_;
  Log& log_;
};

}  // namespace latchkey::grants
