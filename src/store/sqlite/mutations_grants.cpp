#include "store/sqlite/changes.h"
#include "store/sqlite/mutations.h"
#include "store/rows.h"

namespace latchkey::store::sqlite {
namespace {

// What of a grant stands in indexes or in the users' list: rewritten only when it changes, since a refresh, the hot
// path, changes none of it.
struct Indexed {
  UserId user;
  std::string type;
  std::string app;
  std::string account_id;
  std::string account_name;
  GrantState state{};
  friend bool operator==(const Indexed&, const Indexed&) = default;
};

Indexed indexed(const Grant& grant) {
  return {grant.user, grant.type, grant.app, grant.account_id, grant.account_name, grant.state};
}

Result<Indexed> read_indexed(Connection& db, const GrantId& id) {
  Indexed found;
  auto statement =
      db.prepare("SELECT user_id, type, app, account_id, account_name, state FROM grants WHERE id = ?1");
  if (statement.bind(id).row()) {
    statement.read(found.user, found.type, found.app, found.account_id, found.account_name, found.state);
  }
  if (statement.failed()) return statement.failure();
  if (found.user.none()) return gone("grant");
  return found;
}

}  // namespace

Result<void> change(Connection& db, WallTime, const InsertGrant& m) {
  auto grant = m.grant;
  grant.version = 1;
  {
    auto statement = db.prepare("INSERT INTO grants(" LATCHKEY_GRANT_COLUMNS
                                ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, "
                                "?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)");
    statement.bind(grant_fields(grant)).run();
    if (auto done = outcome_of(statement, "user"); !done) return done;
  }
  return refresh_listing(db, grant.user);
}

Result<void> change(Connection& db, WallTime, const UpdateGrant& m) {
  const auto& grant = m.grant;
  const auto before = read_indexed(db, grant.id);
  if (!before) return std::unexpected(before.error());
  {
    auto statement = db.prepare(
        "UPDATE grants SET params_json = ?5, account_name = ?7, scopes = ?8, missing_scopes = ?9, extras_json = ?10, "
        "public_key = ?11, why = ?13, generation = ?14, issued_at = ?15, access_expires_at = ?16, last_refreshed_at = ?17, "
        "last_used_at = max(last_used_at, ?18), due_at = ?19, failures = ?20, dead_seen = ?21, lease_owner = ?22, "
        "lease_until = ?23, fence = ?24, created_at = ?25, mac = ?26, version = version + 1 WHERE id = ?1 AND version = ?27");
    const auto changed = statement.bind(grant_fields(grant)).run();
    if (auto done = outcome_of(statement, "user"); !done) return done;
    if (changed == 0) return other_version();
  }
  if (*before == indexed(grant)) return {};
  {
    auto statement =
        db.prepare("UPDATE grants SET user_id = ?2, type = ?3, app = ?4, account_id = ?5, state = ?6 WHERE id = ?1");
    statement.bind(grant.id, grant.user, grant.type, grant.app, grant.account_id, grant.state).run();
    if (auto done = outcome_of(statement, "user"); !done) return done;
  }
  if (before->user != grant.user) {
    if (auto done = refresh_listing(db, before->user); !done) return done;
  }
  return refresh_listing(db, grant.user);
}

Result<void> change(Connection& db, WallTime, const DeleteGrant& m) {
  const auto before = read_indexed(db, m.id);
  if (!before) return std::unexpected(before.error());
  for (const char* sql : {"DELETE FROM intents WHERE grant_id = ?1", "DELETE FROM grants WHERE id = ?1"}) {
    auto statement = db.prepare(sql);
    statement.bind(m.id).run();
    if (statement.failed()) return statement.failure();
  }
  return refresh_listing(db, before->user);
}

Result<void> change(Connection& db, WallTime now, const ClaimGrant& m) {
  std::int64_t changed = 0;
  {
    auto statement = db.prepare(
        "UPDATE grants SET lease_owner = ?3, lease_until = ?4, fence = fence + 1, version = version + 1 "
        "WHERE id = ?1 AND version = ?2 AND (lease_owner = ?3 OR lease_until <= ?5 "
        "OR lease_owner = x'00000000000000000000000000000000')");
    changed = statement.bind(m.id, m.version, m.node, now + m.lease, now).run();
    if (statement.failed()) return statement.failure();
  }
  if (changed > 0) return {};
  auto statement = db.prepare("SELECT version FROM grants WHERE id = ?1");
  Version version = 0;
  if (!statement.bind(m.id).row()) {
    if (statement.failed()) return statement.failure();
    return gone("grant");
  }
  statement.read(version);
  if (version != m.version) return other_version();
  return leased();
}

Result<void> change(Connection& db, WallTime, const PutGeneration& m) {
  auto statement = db.prepare(
      "INSERT INTO generations(" LATCHKEY_GENERATION_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
      "ON CONFLICT(grant_id, number) DO UPDATE SET state = excluded.state, intent = excluded.intent, "
      "refresh_sealed = excluded.refresh_sealed, access_sealed = excluded.access_sealed, "
      "access_expires_at = excluded.access_expires_at, issued_at = excluded.issued_at, proven_at = excluded.proven_at");
  statement.bind(generation_fields(m.generation)).run();
  return outcome_of(statement, "grant");
}

Result<void> change(Connection& db, WallTime, const DeleteGeneration& m) {
  auto statement = db.prepare("DELETE FROM generations WHERE grant_id = ?1 AND number = ?2");
  const auto changed = statement.bind(m.grant, m.number).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("generation");
  return {};
}

Result<void> change(Connection& db, WallTime, const PutWrap& m) {
  auto statement = db.prepare(
      "INSERT INTO wraps(" LATCHKEY_WRAP_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT(grant_id, holder_kind, holder) "
      "DO UPDATE SET private_key_sealed = excluded.private_key_sealed, created_at = excluded.created_at");
  statement.bind(wrap_fields(m.wrap)).run();
  return outcome_of(statement, "grant");
}

Result<void> change(Connection& db, WallTime, const DeleteWrap& m) {
  auto statement = db.prepare("DELETE FROM wraps WHERE grant_id = ?1 AND holder_kind = ?2 AND holder = ?3");
  const auto changed = statement.bind(m.grant, m.holder_kind, m.holder).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("wrap");
  return {};
}

Result<void> change(Connection& db, WallTime, const InsertIntent& m) {
  auto intent = m.intent;
  intent.version = 1;
  auto statement = db.prepare("INSERT INTO intents(" LATCHKEY_INTENT_COLUMNS
                              ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
  statement.bind(intent_fields(intent)).run();
  return outcome_of(statement, "grant");
}

Result<void> change(Connection& db, WallTime, const UpdateIntent& m) {
  std::int64_t changed = 0;
  {
    auto statement = db.prepare(
        "UPDATE intents SET node = ?4, fence = ?5, state = ?6, attempts = ?7, opened_at = ?8, settled_at = ?9, "
        "outcome = ?10, version = version + 1 WHERE id = ?1 AND version = ?11");
    changed = statement.bind(intent_fields(m.intent)).run();
    if (auto done = outcome_of(statement, "grant"); !done) return done;
  }
  return expect_changed(db, changed, "SELECT version FROM intents WHERE id = ?1", m.intent.id, "intent");
}

Result<void> change(Connection& db, WallTime, const DeleteIntentsBelow& m) {
  auto statement = db.prepare("DELETE FROM intents WHERE grant_id = ?1 AND generation < ?2 AND state NOT IN (0, 1)");
  statement.bind(m.grant, m.generation).run();
  return outcome_of(statement, "grant");
}

Result<void> change(Connection& db, WallTime, const DeleteIntentsOf& m) {
  auto statement = db.prepare("DELETE FROM intents WHERE grant_id = ?1");
  statement.bind(m.grant).run();
  return outcome_of(statement, "grant");
}

Result<void> change(Connection& db, WallTime, const TouchGrant& m) {
  auto statement = db.prepare("UPDATE grants SET last_used_at = ?2 WHERE id = ?1 AND last_used_at < ?2");
  statement.bind(m.grant, m.last_used_at).run();
  return outcome_of(statement, "grant");
}

Result<void> change(Connection& db, WallTime, const CountHandouts& m) {
  {
    auto statement = db.prepare("DELETE FROM handouts WHERE grant_id = ?1 AND minute < ?2");
    statement.bind(m.grant, m.minute - kHandoutsKept).run();
    if (statement.failed()) return statement.failure();
  }
  // One deleted grant does not spoil the counts of others in the batch.
  auto statement = db.prepare(
      "INSERT INTO handouts(grant_id, minute, count) SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM grants WHERE id = ?1) "
      "ON CONFLICT(grant_id, minute) DO UPDATE SET count = count + excluded.count");
  statement.bind(m.grant, m.minute, m.count).run();
  return outcome_of(statement, "grant");
}

}  // namespace latchkey::store::sqlite
