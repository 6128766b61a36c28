#include "store/postgres/exchange_book.h"

#include "store/postgres/plan.h"
#include "store/postgres/relay_books.h"

namespace latchkey::store::postgres {
namespace {

// A row is given for a nonce that is fresh, or that this very claim has brought before its line broke.
#define LATCHKEY_USE_NONCE                                                                      \
  "INSERT INTO relay_nonces(office, nonce, used_at, owner, claim) VALUES ($1, $2, $3, $4, $5) " \
  "ON CONFLICT (office, nonce) DO UPDATE SET used_at = relay_nonces.used_at "                   \
  "WHERE relay_nonces.owner = excluded.owner AND relay_nonces.claim = excluded.claim RETURNING 1"

constexpr std::string_view kClaim =
    "WITH fresh AS (" LATCHKEY_USE_NONCE
    "), claimed AS (INSERT INTO relay_exchanges(office, intent, turn, state, reply, changed_at, owner, claim, claim_ends_at) "
    "SELECT $1, $6, $7, 0, '', $3, $4, $5, " LATCHKEY_NOW("$8") " + $9 FROM fresh "
    "WHERE (SELECT count(*) FROM (SELECT 1 FROM relay_exchanges WHERE office = $1 AND state IN (0, 1, 2) LIMIT $10) AS kept) < $10 "
    "ON CONFLICT (office, intent) DO UPDATE SET turn = excluded.turn, state = 0, reply = '', changed_at = excluded.changed_at, "
    "owner = excluded.owner, claim = excluded.claim, claim_ends_at = excluded.claim_ends_at "
    "WHERE relay_exchanges.state = 3 AND relay_exchanges.turn < excluded.turn RETURNING 1) "
    "SELECT (SELECT count(*) FROM fresh), (SELECT count(*) FROM claimed)";

}  // namespace

std::optional<WallTime> PostgresExchangeBook::given_now() const {
  return clock_ == nullptr ? std::nullopt : std::optional(clock_->now());
}

Result<std::optional<PostgresExchangeBook::Found>> PostgresExchangeBook::find(const OfficeId& office,
                                                                              const IntentId& intent) {
  auto rows =
      line_.ask({"SELECT office, intent, turn, state, reply, changed_at, "
                 "CAST(CASE WHEN state = 0 AND owner <> $3 AND claim_ends_at > " LATCHKEY_NOW(
                     "$4") " THEN 1 ELSE 0 END AS BIGINT), "
                           "owner, claim FROM relay_exchanges WHERE office = $1 AND intent = $2",
                 Values(office, intent, owner_, given_now())});
  if (!rows) return std::unexpected(rows.error());
  if (!rows->row()) return std::nullopt;
  Found found;
  auto& each = found.exchange;
  rows->read(each.office, each.intent, each.turn, each.state, each.reply, each.changed_at, each.elsewhere, found.owner,
             found.claim);
  return found;
}

Result<std::optional<KeptExchange>> PostgresExchangeBook::claim(const OfficeId& office, const IntentId& intent,
                                                                std::int64_t turn, ByteView nonce, WallTime now) {
  const auto claim = ++claims_;
  auto rows = line_.ask({kClaim, Values(office, nonce, now, owner_, claim, intent, turn, given_now(),
                                        Milliseconds(kExchangeClaimLasts).count(), kUnacknowledgedMax)});
  if (!rows) return std::unexpected(rows.error());
  std::int64_t fresh = 0;
  std::int64_t claimed = 0;
  if (rows->row()) rows->read(fresh, claimed);
  if (fresh == 0) return request_repeated();
  auto found = claimed > 0 ? Result<std::optional<Found>>(std::nullopt) : find(office, intent);
  if (!found) return std::unexpected(found.error());
  bool taken = claimed > 0;
  if (*found && is_unposted(**found)) {
    const auto ours = take_over(**found, turn, claim, now);
    if (!ours) return std::unexpected(ours.error());
    taken = *ours;
    if (!taken) found = find(office, intent);
    if (!found) return std::unexpected(found.error());
  }
  if (taken) {
    given_[{office, intent}] = claim;
    return std::nullopt;
  }
  if (!*found) return too_many_unacknowledged();
  auto& exchange = (*found)->exchange;
  if (exchange.state == ExchangeState::acknowledged && exchange.turn < turn) return too_many_unacknowledged();
  return std::move(exchange);
}

Result<std::optional<KeptExchange>> PostgresExchangeBook::recall(const OfficeId& office, const IntentId& intent,
                                                                 ByteView nonce, WallTime now) {
  const auto fresh = line_.changes({LATCHKEY_USE_NONCE, Values(office, nonce, now, owner_, ++claims_)});
  if (!fresh) return std::unexpected(fresh.error());
  if (!*fresh) return request_repeated();
  auto found = find(office, intent);
  if (!found) return std::unexpected(found.error());
  if (*found && is_unposted(**found)) {
    const auto gone = forget(**found);
    if (!gone) return std::unexpected(gone.error());
    found = find(office, intent);
    if (!found) return std::unexpected(found.error());
  }
  if (!*found) return std::nullopt;
  return std::move((*found)->exchange);
}

Result<std::optional<KeptExchange>> PostgresExchangeBook::look(const OfficeId& office, const IntentId& intent) {
  auto found = find(office, intent);
  if (!found) return std::unexpected(found.error());
  if (!*found) return std::nullopt;
  return std::move((*found)->exchange);
}

bool PostgresExchangeBook::is_unposted(const Found& found) const {
  const auto state = found.exchange.state;
  if (found.owner != owner_ || (state != ExchangeState::asked && state != ExchangeState::unknown)) return false;
  const auto given = given_.find({found.exchange.office, found.exchange.intent});
  return given == given_.end() || given->second != found.claim;
}

Result<bool> PostgresExchangeBook::take_over(const Found& found, std::int64_t turn, std::int64_t claim, WallTime now) {
  return line_.changes(
      {"UPDATE relay_exchanges SET turn = $3, state = 0, changed_at = $4, claim = $6, claim_ends_at = " LATCHKEY_NOW(
           "$7") " + $8 WHERE office = $1 AND intent = $2 AND turn <= $3 AND state IN (0, 2) AND owner = $5 "
                 "AND claim IN ($6, $9) RETURNING 1",
       Values(found.exchange.office, found.exchange.intent, turn, now, owner_, claim, given_now(),
              Milliseconds(kExchangeClaimLasts).count(), found.claim)});
}

Result<bool> PostgresExchangeBook::forget(const Found& found) {
  return line_.changes({"DELETE FROM relay_exchanges WHERE office = $1 AND intent = $2 AND state IN (0, 2) AND owner = $3 "
                        "AND claim = $4 RETURNING 1",
                        Values(found.exchange.office, found.exchange.intent, owner_, found.claim)});
}

Result<void> PostgresExchangeBook::forget_unanswered_claims() {
  auto rows = line_.ask(
      {"SELECT office, intent, state, owner, claim FROM relay_exchanges WHERE state IN (0, 2) AND owner = $1", Values(owner_)});
  if (!rows) return std::unexpected(rows.error());
  while (rows->row()) {
    Found found;
    rows->read(found.exchange.office, found.exchange.intent, found.exchange.state, found.owner, found.claim);
    if (!is_unposted(found)) continue;
    if (const auto gone = forget(found); !gone) return std::unexpected(gone.error());
  }
  return {};
}

Result<void> PostgresExchangeBook::settle(const OfficeId& office, const IntentId& intent, const Query& query) {
  const auto settled = line_.changes(query);
  if (!settled) return std::unexpected(settled.error());
  given_.erase({office, intent});  // also when the row has gone on: it is this claim's no more
  if (!*settled) return no_such_exchange();
  return {};
}

Result<void> PostgresExchangeBook::keep_reply(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                              const Bytes& reply, WallTime now) {
  // `unknown` with an owner: another instance has settled it so when this one's claim had ended; and the office may have
  // acknowledged that.
  return settle(
      office, intent,
      {"UPDATE relay_exchanges SET state = 1, reply = $4, changed_at = $5 WHERE office = $1 AND intent = $2 AND turn = $3 "
       "AND owner = $6 AND (state IN (0, 2, 3) OR (state = 1 AND reply = $4)) RETURNING 1",
       Values(office, intent, turn, reply, now, owner_)});
}

Result<void> PostgresExchangeBook::keep_unknown(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                                WallTime now) {
  return settle(
      office, intent,
      {"UPDATE relay_exchanges SET state = 2, changed_at = $4, owner = CASE WHEN owner = $5 THEN $6 ELSE owner END "
       "WHERE office = $1 AND intent = $2 AND turn = $3 "
       "AND ((state IN (0, 2) AND owner = $5) OR (state = 0 AND claim_ends_at <= " LATCHKEY_NOW("$7") ")) RETURNING 1",
       Values(office, intent, turn, now, owner_, ClaimOwner(), given_now())});
}

Result<void> PostgresExchangeBook::forget_unsent(const OfficeId& office, const IntentId& intent, std::int64_t turn) {
  return settle(
      office, intent,
      {"DELETE FROM relay_exchanges WHERE office = $1 AND intent = $2 AND turn = $3 AND state = 0 AND owner = $4 RETURNING "
       "1",
       Values(office, intent, turn, owner_)});
}

Result<void> PostgresExchangeBook::acknowledge(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                               Heard heard, WallTime now) {
  // Without an owner nothing more can come: the office has the reply.
  const Query had = {"UPDATE relay_exchanges SET state = 3, reply = '', changed_at = $4, owner = $5 "
                     "WHERE office = $1 AND intent = $2 AND turn = $3 AND state IN (1, 2, 4)",
                     Values(office, intent, turn, now, ClaimOwner())};
  const Query unknown = {"UPDATE relay_exchanges SET state = 3, changed_at = $4 "
                         "WHERE office = $1 AND intent = $2 AND turn = $3 AND state IN (2, 4)",
                         Values(office, intent, turn, now)};
  const auto done = line_.ask(heard == Heard::reply ? had : unknown);
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<void> PostgresExchangeBook::forget_nonces(WallTime now) {
  const auto done = line_.ask({"DELETE FROM relay_nonces WHERE used_at < $1", Values(now - kNonceKeptFor)});
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<void> PostgresExchangeBook::forget_old(WallTime now) {
  const Query gone[] = {
      {"DELETE FROM relay_exchanges WHERE state = 3 AND changed_at < $1", Values(now - kAcknowledgedKeptFor)},
      {"DELETE FROM relay_exchanges WHERE state = 4 AND changed_at < $1", Values(now - kLapsedKeptFor)},
      {"UPDATE relay_exchanges SET state = 4, reply = '', changed_at = $2 WHERE state IN (0, 1, 2) AND changed_at < $1",
       Values(now - kReplyKeptFor, now)}};
  for (const auto& each : gone) {
    if (const auto done = line_.ask(each); !done) return std::unexpected(done.error());
  }
  return {};
}

Result<ExchangeCounts> PostgresExchangeBook::counts() {
  auto rows =
      line_.ask({"SELECT count(*) FILTER (WHERE state <> 0), count(*) FILTER (WHERE state = 0) FROM relay_exchanges "
                 "WHERE state IN (0, 1, 2)"});
  if (!rows) return std::unexpected(rows.error());
  ExchangeCounts counts;
  if (rows->row()) rows->read(counts.waiting, counts.asked);
  return counts;
}

}  // namespace latchkey::store::postgres
