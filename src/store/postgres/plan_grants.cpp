#include "store/postgres/expectation.h"
#include "store/postgres/plan.h"
#include "store/postgres/record_values.h"
#include "store/refusals.h"

namespace latchkey::store::postgres {

void add(Plan& plan, std::optional<WallTime>, const InsertGrant& m) {
  auto grant = m.grant;
  grant.version = 1;
  constexpr std::string_view kSql =
      "INSERT INTO grants(" LATCHKEY_GRANT_ROW ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
      "$14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)";
  plan.writes.push_back({{kSql, grant_values(grant)}, Reference::user_gone});
}

void add(Plan& plan, std::optional<WallTime>, const UpdateGrant& m) {
  constexpr std::string_view kSql = LATCHKEY_EXPECT_VERSION(
      "UPDATE grants SET user_id = $2, type = $3, app = $4, params_json = $5, account_id = $6, account_name = $7, scopes = $8, "
      "missing_scopes = $9, extras_json = $10, public_key = $11, state = $12, why = $13, generation = $14, issued_at = $15, "
      "access_expires_at = $16, last_refreshed_at = $17, last_used_at = greatest(last_used_at, $18), due_at = $19, failures = $20, "
      "dead_seen = $21, lease_owner = $22, lease_until = $23, fence = $24, created_at = $25, mac = $26, version = version + 1, "
      "account_fold = $28 WHERE id = $1 AND version = $27 RETURNING 1",
      "SELECT 1 FROM grants WHERE id = $1", "grant");
  plan.writes.push_back({{kSql, grant_values(m.grant)}, Reference::user_gone});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteGrant& m) {
  plan.writes.push_back({{"DELETE FROM intents WHERE grant_id = $1", Values(m.id)}});
  constexpr std::string_view kSql = LATCHKEY_EXPECT_GONE("DELETE FROM grants WHERE id = $1 RETURNING 1", "grant");
  plan.writes.push_back({{kSql, Values(m.id)}});
}

void add(Plan& plan, std::optional<WallTime> now, const ClaimGrant& m) {
  constexpr std::string_view kSql =
      "WITH changed AS (UPDATE grants SET lease_owner = $3, lease_until = " LATCHKEY_NOW("$5") " + $4, fence = fence + 1, "
      "version = version + 1 WHERE id = $1 AND version = $2 AND (lease_owner = $3 OR lease_until <= " LATCHKEY_NOW("$5") " "
      "OR lease_owner = " LATCHKEY_NOBODY ") RETURNING 1) "
      "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM changed) THEN '1' "
      "WHEN EXISTS (SELECT 1 FROM grants WHERE id = $1 AND version = $2) THEN 'latchkey:leased' "
      "WHEN EXISTS (SELECT 1 FROM grants WHERE id = $1) THEN 'latchkey:version' ELSE 'latchkey:gone:grant' END AS BIGINT)";
  plan.writes.push_back({{kSql, Values(m.id, m.version, m.node, m.lease.count(), now)}});
}

void add(Plan& plan, std::optional<WallTime>, const PutGeneration& m) {
  constexpr std::string_view kSql =
      "INSERT INTO generations(" LATCHKEY_GENERATION_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
      "ON CONFLICT(grant_id, number) DO UPDATE SET state = excluded.state, intent = excluded.intent, "
      "refresh_sealed = excluded.refresh_sealed, access_sealed = excluded.access_sealed, "
      "access_expires_at = excluded.access_expires_at, issued_at = excluded.issued_at, proven_at = excluded.proven_at";
  plan.writes.push_back({{kSql, Values().add(generation_fields(m.generation))}, Reference::grant_gone});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteGeneration& m) {
  constexpr std::string_view kSql =
      LATCHKEY_EXPECT_GONE("DELETE FROM generations WHERE grant_id = $1 AND number = $2 RETURNING 1", "generation");
  plan.writes.push_back({{kSql, Values(m.grant, m.number)}});
}

void add(Plan& plan, std::optional<WallTime>, const PutWrap& m) {
  constexpr std::string_view kSql =
      "INSERT INTO wraps(" LATCHKEY_WRAP_COLUMNS ") VALUES ($1, $2, $3, $4, $5) ON CONFLICT(grant_id, holder_kind, holder) "
      "DO UPDATE SET private_key_sealed = excluded.private_key_sealed, created_at = excluded.created_at";
  plan.writes.push_back({{kSql, Values().add(wrap_fields(m.wrap))}, Reference::grant_gone});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteWrap& m) {
  constexpr std::string_view kSql =
      LATCHKEY_EXPECT_GONE("DELETE FROM wraps WHERE grant_id = $1 AND holder_kind = $2 AND holder = $3 RETURNING 1", "wrap");
  plan.writes.push_back({{kSql, Values(m.grant, m.holder_kind, m.holder)}});
}

void add(Plan& plan, std::optional<WallTime>, const InsertIntent& m) {
  auto intent = m.intent;
  intent.version = 1;
  constexpr std::string_view kSql =
      "INSERT INTO intents(" LATCHKEY_INTENT_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
  plan.writes.push_back({{kSql, Values().add(intent_fields(intent))}});
}

void add(Plan& plan, std::optional<WallTime>, const UpdateIntent& m) {
  const auto& i = m.intent;
  constexpr std::string_view kSql = LATCHKEY_EXPECT_VERSION(
      "UPDATE intents SET node = $2, fence = $3, state = $4, attempts = $5, opened_at = $6, settled_at = $7, outcome = $8, "
      "version = version + 1 WHERE id = $1 AND version = $9 RETURNING 1",
      "SELECT 1 FROM intents WHERE id = $1", "intent");
  plan.writes.push_back(
      {{kSql, Values(i.id, i.node, i.fence, i.state, i.attempts, i.opened_at, i.settled_at, i.outcome, i.version)}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteIntentsBelow& m) {
  plan.writes.push_back(
      {{"DELETE FROM intents WHERE grant_id = $1 AND generation < $2 AND state NOT IN (0, 1)", Values(m.grant, m.generation)}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteIntentsOf& m) {
  plan.writes.push_back({{"DELETE FROM intents WHERE grant_id = $1", Values(m.grant)}});
}

void add(Plan& plan, std::optional<WallTime>, const TouchGrant& m) {
  plan.writes.push_back({{"UPDATE grants SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2", Values(m.grant, m.last_used_at)}});
}

void add(Plan& plan, std::optional<WallTime>, const CountHandouts& m) {
  plan.writes.push_back({{"DELETE FROM handouts WHERE grant_id = $1 AND minute < $2", Values(m.grant, m.minute - kHandoutsKept)}});
  // One deleted grant does not spoil the counts of others in the batch.
  constexpr std::string_view kSql =
      "INSERT INTO handouts(grant_id, minute, count) SELECT $1, $2, $3 WHERE EXISTS (SELECT 1 FROM grants WHERE id = $1) "
      "ON CONFLICT(grant_id, minute) DO UPDATE SET count = handouts.count + excluded.count";
  plan.writes.push_back({{kSql, Values(m.grant, m.minute, m.count)}, Reference::grant_gone});
}

}  // namespace latchkey::store::postgres
