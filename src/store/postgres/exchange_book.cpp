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
  if (claimed > 0) return std::nullopt;
  auto found = find(office, intent);
  if (!found) return std::unexpected(found.error());
  if (!*found) return too_many_unacknowledged();
  auto& [exchange, owner, number] = **found;
  const bool asked = exchange.state == ExchangeState::asked;
  if (asked && owner == owner_ && number == claim) return std::nullopt;  // the answer to this claim was lost once
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
  if (!*found) return std::nullopt;
  return std::move((*found)->exchange);
}

Result<void> PostgresExchangeBook::settle(const Query& query) {
  const auto settled = line_.changes(query);
  if (!settled) return std::unexpected(settled.error());
  if (!*settled) return no_such_exchange();
  return {};
}

Result<void> PostgresExchangeBook::keep_reply(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                              const Bytes& reply, WallTime now) {
  // `unknown` with an owner: another instance has settled it so when this one's claim had ended.
  return settle(
      {"UPDATE relay_exchanges SET state = 1, reply = $4, changed_at = $5 WHERE office = $1 AND intent = $2 AND turn = $3 "
       "AND owner = $6 AND (state IN (0, 2) OR (state = 1 AND reply = $4)) RETURNING 1",
       Values(office, intent, turn, reply, now, owner_)});
}

Result<void> PostgresExchangeBook::keep_unknown(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                                WallTime now) {
  return settle(
      {"UPDATE relay_exchanges SET state = 2, changed_at = $4, owner = CASE WHEN owner = $5 THEN $6 ELSE owner END "
       "WHERE office = $1 AND intent = $2 AND turn = $3 AND state = 0 "
       "AND (owner = $5 OR claim_ends_at <= " LATCHKEY_NOW("$7") ") RETURNING 1",
       Values(office, intent, turn, now, owner_, ClaimOwner(), given_now())});
}

Result<void> PostgresExchangeBook::forget_unsent(const OfficeId& office, const IntentId& intent, std::int64_t turn) {
  return settle(
      {"DELETE FROM relay_exchanges WHERE office = $1 AND intent = $2 AND turn = $3 AND state = 0 AND owner = $4 RETURNING "
       "1",
       Values(office, intent, turn, owner_)});
}

Result<void> PostgresExchangeBook::acknowledge(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                               WallTime now) {
  const auto done =
      line_.ask({"UPDATE relay_exchanges SET state = 3, reply = '', changed_at = $4 "
                 "WHERE office = $1 AND intent = $2 AND turn = $3 AND state IN (1, 2, 4)",
                 Values(office, intent, turn, now)});
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
