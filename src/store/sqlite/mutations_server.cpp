#include "store/audit_chain.h"
#include "store/sqlite/changes.h"
#include "store/sqlite/mutations.h"
#include "store/rows.h"

namespace latchkey::store::sqlite {

Result<void> change(Connection& db, WallTime, const PutApp& m) {
  auto app = m.app;
  if (app.version == 0) {
    app.version = 1;
    auto statement = db.prepare("INSERT INTO apps(" LATCHKEY_APP_COLUMNS
                                ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)");
    statement.bind(app_fields(app)).run();
    return outcome_of(statement, "app");
  }
  std::int64_t changed = 0;
  {
    auto statement = db.prepare(
        "UPDATE apps SET provider = ?2, client_id = ?3, token_origin = ?4, params_json = ?5, secret1_sealed = ?6, "
        "secret1_expires_at = ?7, secret1_set_at = ?8, secret2_sealed = ?9, secret2_expires_at = ?10, secret2_set_at = ?11, "
        "paused = ?12, pause_reason = ?13, mac = ?15, version = version + 1 WHERE id = ?1 AND version = ?16");
    changed = statement.bind(app_fields(app)).run();
    if (auto done = outcome_of(statement, "app"); !done) return done;
  }
  return expect_changed(db, changed, "SELECT version FROM apps WHERE id = ?1", app.id, "app");
}

Result<void> change(Connection& db, WallTime, const DeleteApp& m) {
  {
    auto statement = db.prepare("SELECT 1 FROM grants WHERE app = ?1 LIMIT 1");
    if (statement.bind(m.id).row()) return app_in_use();
    if (statement.failed()) return statement.failure();
  }
  auto statement = db.prepare("DELETE FROM apps WHERE id = ?1");
  const auto changed = statement.bind(m.id).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("app");
  return {};
}

Result<void> change(Connection& db, WallTime, const InsertAuthorization& m) {
  auto authorization = m.authorization;
  authorization.version = 1;
  auto statement = db.prepare("INSERT INTO authorizations(" LATCHKEY_AUTHORIZATION_COLUMNS
                              ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
  statement.bind(authorization_fields(authorization)).run();
  return outcome_of(statement, "user");
}

Result<void> change(Connection& db, WallTime, const UpdateAuthorization& m) {
  std::int64_t changed = 0;
  {
    auto statement = db.prepare(
        "UPDATE authorizations SET state = ?2, ticket_hash = ?3, state_hash = ?4, username_key = ?5, created_by = ?6, "
        "record_sealed = ?7, result_json = ?8, expires_at = ?10, version = version + 1 WHERE id = ?1 AND version = ?11");
    changed = statement.bind(authorization_fields(m.authorization)).run();
    if (auto done = outcome_of(statement, "user"); !done) return done;
  }
  return expect_changed(db, changed, "SELECT version FROM authorizations WHERE id = ?1", m.authorization.id, "authorization");
}

Result<void> change(Connection& db, WallTime, const DeleteAuthorization& m) {
  auto statement = db.prepare("DELETE FROM authorizations WHERE id = ?1");
  const auto changed = statement.bind(m.id).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("authorization");
  // Settled code exchanges bear its id (see InsertIntent) and mean nothing without it.
  auto intents = db.prepare("DELETE FROM intents WHERE grant_id = ?1 AND state NOT IN (0, 1)");
  intents.bind(m.id).run();
  return outcome_of(intents, "authorization");
}

Result<void> change(Connection& db, WallTime, const PutSetting& m) {
  auto statement = db.prepare(
      "INSERT INTO settings(key, value) VALUES (?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value");
  statement.bind(m.setting.key, m.setting.value).run();
  return outcome_of(statement, "key");
}

Result<void> change(Connection& db, WallTime, const DeleteSetting& m) {
  auto statement = db.prepare("DELETE FROM settings WHERE key = ?1");
  statement.bind(m.key).run();
  return outcome_of(statement, "key");
}

Result<void> change(Connection& db, WallTime, const AppendAudit& m) {
  auto entry = m.entry;
  Bytes before;
  {
    auto statement = db.prepare("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1");
    entry.sequence = 0;
    if (statement.row()) statement.read(entry.sequence, before);
    if (statement.failed()) return statement.failure();
  }
  ++entry.sequence;
  entry.hash = chain_hash(before, entry);
  auto statement =
      db.prepare("INSERT INTO audit(" LATCHKEY_AUDIT_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
  statement.bind(audit_fields(entry)).run();
  return outcome_of(statement, "user");
}

Result<void> change(Connection& db, WallTime now, const PutNode& m) {
  auto node = m.node;
  node.seen_at = now;
  auto statement = db.prepare(
      "INSERT INTO nodes(" LATCHKEY_NODE_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(id) DO UPDATE SET "
      "name = excluded.name, version = excluded.version, run = excluded.run, started_at = excluded.started_at, "
      "seen_at = excluded.seen_at");
  statement.bind(node_fields(node)).run();
  return outcome_of(statement, "node");
}

Result<void> change(Connection& db, WallTime now, const TouchNode& m) {
  auto statement = db.prepare("UPDATE nodes SET seen_at = ?3 WHERE id = ?1 AND run = ?2");
  const auto changed = statement.bind(m.id, m.run, now).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("node");
  return {};
}

Result<void> change(Connection& db, WallTime, const DeleteNode& m) {
  auto statement = db.prepare("DELETE FROM nodes WHERE id = ?1");
  const auto changed = statement.bind(m.id).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("node");
  return {};
}

Result<void> change(Connection& db, WallTime, const PutMeta& m) {
  if (m.value.empty()) {  // empty means absent
    auto statement = db.prepare("DELETE FROM meta WHERE key = ?1");
    statement.bind(m.key).run();
    return outcome_of(statement, "key");
  }
  auto statement =
      db.prepare("INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value");
  statement.bind(m.key, m.value).run();
  return outcome_of(statement, "key");
}

Result<void> change(Connection& db, WallTime, const CompareMeta& m) {
  Bytes found;
  auto statement = db.prepare("SELECT value FROM meta WHERE key = ?1");
  if (statement.bind(m.key).row()) statement.read(found);
  if (statement.failed()) return statement.failure();
  if (found != m.expected) return meta_changed(m.key);
  return {};
}

}  // namespace latchkey::store::sqlite
