#include "store/postgres/expectation.h"
#include "store/postgres/plan.h"
#include "store/rows.h"

namespace latchkey::store::postgres {

void add(Plan& plan, std::optional<WallTime>, const PutApp& m) {
  auto app = m.app;
  if (app.version == 0) {
    app.version = 1;
    constexpr std::string_view kInsert =
        "INSERT INTO apps(" LATCHKEY_APP_COLUMNS
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    plan.writes.push_back({{kInsert, Values().add(app_fields(app))}});
    return;
  }
  constexpr std::string_view kUpdate = LATCHKEY_EXPECT_VERSION(
      "UPDATE apps SET provider = $2, client_id = $3, token_origin = $4, params_json = $5, secret1_sealed = $6, "
      "secret1_expires_at = $7, secret1_set_at = $8, secret2_sealed = $9, secret2_expires_at = $10, secret2_set_at = $11, "
      "paused = $12, pause_reason = $13, created_at = $14, mac = $15, version = version + 1 WHERE id = $1 AND version = $16 RETURNING 1",
      "SELECT 1 FROM apps WHERE id = $1", "app");
  plan.writes.push_back({{kUpdate, Values().add(app_fields(app))}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteApp& m) {
  constexpr std::string_view kSql =
      "WITH used AS (SELECT 1 FROM grants WHERE app = $1 LIMIT 1), "
      "changed AS (DELETE FROM apps WHERE id = $1 RETURNING 1) "
      "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM used) THEN 'latchkey:app_in_use' "
      "WHEN EXISTS (SELECT 1 FROM changed) THEN '1' ELSE 'latchkey:gone:app' END AS BIGINT)";
  plan.writes.push_back({{kSql, Values(m.id)}});
}

void add(Plan& plan, std::optional<WallTime>, const InsertAuthorization& m) {
  auto authorization = m.authorization;
  authorization.version = 1;
  constexpr std::string_view kSql =
      "INSERT INTO authorizations(" LATCHKEY_AUTHORIZATION_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
  plan.writes.push_back({{kSql, Values().add(authorization_fields(authorization))}});
}

void add(Plan& plan, std::optional<WallTime>, const UpdateAuthorization& m) {
  constexpr std::string_view kSql = LATCHKEY_EXPECT_VERSION(
      "UPDATE authorizations SET state = $2, ticket_hash = $3, state_hash = $4, username_key = $5, created_by = $6, "
      "record_sealed = $7, result_json = $8, created_at = $9, expires_at = $10, version = version + 1 WHERE id = $1 AND version = $11 "
      "RETURNING 1",
      "SELECT 1 FROM authorizations WHERE id = $1", "authorization");
  plan.writes.push_back({{kSql, Values().add(authorization_fields(m.authorization))}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteAuthorization& m) {
  constexpr std::string_view kSql = LATCHKEY_EXPECT_GONE("DELETE FROM authorizations WHERE id = $1 RETURNING 1", "authorization");
  plan.writes.push_back({{kSql, Values(m.id)}});
  // Settled code exchanges bear its id (see InsertIntent) and mean nothing without it.
  plan.writes.push_back({{"DELETE FROM intents WHERE grant_id = $1 AND state NOT IN (0, 1)", Values(m.id)}});
}

void add(Plan& plan, std::optional<WallTime>, const PutSetting& m) {
  constexpr std::string_view kSql =
      "INSERT INTO settings(key, value) VALUES ($1, $2) ON CONFLICT(key) DO UPDATE SET value = excluded.value";
  plan.writes.push_back({{kSql, Values(m.setting.key, m.setting.value)}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteSetting& m) {
  plan.writes.push_back({{"DELETE FROM settings WHERE key = $1", Values(m.key)}});
}

void add(Plan& plan, std::optional<WallTime>, const AppendAudit& m) {
  auto entry = m.entry;
  // As they will be read back, since the chain's hash covers them.
  for (auto* text : {&entry.actor, &entry.action, &entry.subject, &entry.source, &entry.detail}) *text = storable(*text);
  plan.audit.push_back(std::move(entry));
}

void add(Plan& plan, std::optional<WallTime> now, const PutNode& m) {
  const auto& n = m.node;
  constexpr std::string_view kSql =
      "INSERT INTO nodes(" LATCHKEY_NODE_COLUMNS ") VALUES ($1, $2, $3, $4, $5, " LATCHKEY_NOW("$6") ") ON CONFLICT(id) DO UPDATE SET "
      "name = excluded.name, version = excluded.version, run = excluded.run, started_at = excluded.started_at, "
      "seen_at = excluded.seen_at";
  plan.writes.push_back({{kSql, Values(n.id, n.name, n.version, n.run, n.started_at, now)}});
}

void add(Plan& plan, std::optional<WallTime> now, const TouchNode& m) {
  constexpr std::string_view kSql =
      LATCHKEY_EXPECT_GONE("UPDATE nodes SET seen_at = " LATCHKEY_NOW("$3") " WHERE id = $1 AND run = $2 RETURNING 1", "node");
  plan.writes.push_back({{kSql, Values(m.id, m.run, now)}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteNode& m) {
  constexpr std::string_view kSql = LATCHKEY_EXPECT_GONE("DELETE FROM nodes WHERE id = $1 RETURNING 1", "node");
  plan.writes.push_back({{kSql, Values(m.id)}});
}

void add(Plan& plan, std::optional<WallTime>, const PutMeta& m) {
  if (m.value.empty()) {  // empty means absent
    plan.writes.push_back({{"DELETE FROM meta WHERE key = $1", Values(m.key)}});
    return;
  }
  constexpr std::string_view kSql =
      "INSERT INTO meta(key, value) VALUES ($1, $2) ON CONFLICT(key) DO UPDATE SET value = excluded.value";
  plan.writes.push_back({{kSql, Values(m.key, m.value)}});
}

void add(Plan& plan, std::optional<WallTime>, const CompareMeta& m) {
  plan.writes.push_back({{kOneAtATime}});
  constexpr std::string_view kSql =
      "SELECT CAST(CASE WHEN coalesce((SELECT value FROM meta WHERE key = $1), '') = $2 THEN '1' ELSE 'latchkey:meta' END AS BIGINT)";
  plan.writes.push_back({{kSql, Values(m.key, m.expected)}});
}

}  // namespace latchkey::store::postgres
