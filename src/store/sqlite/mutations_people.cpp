#include "store/sqlite/changes.h"
#include "store/folding.h"
#include "store/sqlite/mutations.h"
#include "store/sqlite/queries.h"
#include "store/rows.h"

namespace latchkey::store::sqlite {
namespace {

struct ListingKey {
  GroupId group;
  std::string username_key;
};

// Where the user stands in the list; not_found/`gone` when there is no such user.
Result<ListingKey> listing_key(Connection& db, const UserId& user) {
  ListingKey key;
  auto statement = db.prepare("SELECT group_id, username_key FROM users WHERE id = ?1");
  if (statement.bind(user).row()) {
    statement.read(key.group, key.username_key);
    return key;
  }
  if (statement.failed()) return statement.failure();
  return gone("user");
}

}  // namespace

Result<void> change(Connection& db, WallTime, const InsertGroup& m) {
  auto group = m.group;
  group.version = 1;
  auto statement = db.prepare("INSERT INTO user_groups(" LATCHKEY_GROUP_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)");
  statement.bind(group_fields(group)).run();
  return outcome_of(statement, "group");
}

Result<void> change(Connection& db, WallTime, const UpdateGroup& m) {
  auto statement = db.prepare(
      "UPDATE user_groups SET name = ?2, name_key = ?3, version = version + 1 WHERE id = ?1 AND version = ?5");
  const auto changed = statement.bind(group_fields(m.group)).run();
  if (auto done = outcome_of(statement, "group"); !done) return done;
  return expect_changed(db, changed, "SELECT version FROM user_groups WHERE id = ?1", m.group.id, "group");
}

Result<void> change(Connection& db, WallTime, const DeleteGroup& m) {
  std::int64_t users = 0;
  {
    auto statement = db.prepare("SELECT users FROM user_groups WHERE id = ?1");
    if (!statement.bind(m.id).row()) {
      if (statement.failed()) return statement.failure();
      return gone("group");
    }
    statement.read(users);
  }
  if (users > 0) return group_not_empty();
  auto statement = db.prepare("DELETE FROM user_groups WHERE id = ?1");
  statement.bind(m.id).run();
  return outcome_of(statement, "group");
}

Result<void> change(Connection& db, WallTime, const InsertUser& m) {
  auto user = m.user;
  user.version = 1;
  if (auto apart = expect_no_device_named(db, user.username_key); !apart) return apart;
  {
    auto statement = db.prepare("INSERT INTO users(" LATCHKEY_USER_COLUMNS
                                ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, "
                                "?18, ?19)");
    statement.bind(user_fields(user)).run();
    if (auto done = outcome_of(statement, "group"); !done) return done;
  }
  auto statement = db.prepare(
      "INSERT INTO user_listing(group_id, username_key, user_id, search_text, grants_summary) VALUES (?1, ?2, ?3, ?4, '')");
  const auto search = fold(user.username + '\n' + user.name + '\n' + user.email);
  statement.bind(user.group, user.username_key, user.id, search).run();
  return outcome_of(statement, "group");
}

Result<void> change(Connection& db, WallTime, const UpdateUser& m) {
  const auto before = listing_key(db, m.user.id);
  if (!before) return std::unexpected(before.error());
  if (before->username_key != m.user.username_key) {
    if (auto apart = expect_no_device_named(db, m.user.username_key); !apart) return apart;
  }
  {
    auto statement = db.prepare(
        "UPDATE users SET group_id = ?2, username = ?3, username_key = ?4, name = ?5, email = ?6, role = ?7, enabled = ?8, "
        "uses = ?9, allowed_sources = ?10, auth_epoch = ?11, password_sealed = ?12, public_key = ?13, "
        "private_key_wrapped = ?14, pin_set_at = ?15, last_used_at = max(last_used_at, ?17), mac = ?18, "
        "version = version + 1 WHERE id = ?1 AND version = ?19");
    const auto changed = statement.bind(user_fields(m.user)).run();
    if (auto done = outcome_of(statement, "group"); !done) return done;
    if (changed == 0) return other_version();
  }
  if (before->group != m.user.group || before->username_key != m.user.username_key) {
    auto statement = db.prepare(
        "UPDATE user_listing SET group_id = ?3, username_key = ?4 WHERE group_id = ?1 AND username_key = ?2");
    statement.bind(before->group, before->username_key, m.user.group, m.user.username_key).run();
    if (auto done = outcome_of(statement, "group"); !done) return done;
  }
  return refresh_listing(db, m.user.id);
}

Result<void> change(Connection& db, WallTime, const DeleteUser& m) {
  const auto key = listing_key(db, m.id);
  if (!key) return std::unexpected(key.error());
  {
    auto statement = db.prepare("DELETE FROM user_listing WHERE group_id = ?1 AND username_key = ?2");
    statement.bind(key->group, key->username_key).run();
    if (statement.failed()) return statement.failure();
  }
  // Grants, generations, wraps, hand-outs and sessions go by their references.
  for (const char* sql : {"DELETE FROM intents WHERE grant_id IN (SELECT id FROM grants WHERE user_id = ?1)",
                          "DELETE FROM pin_failures WHERE user_id = ?1", "DELETE FROM known_sources WHERE user_id = ?1",
                          "DELETE FROM users WHERE id = ?1"}) {
    auto statement = db.prepare(sql);
    statement.bind(m.id).run();
    if (statement.failed()) return statement.failure();
  }
  return {};
}

Result<void> change(Connection& db, WallTime, const KeepAnAdministrator&) {
  const auto count = count_administrators(db);
  if (!count) return std::unexpected(count.error());
  if (*count > 0) return {};
  return last_administrator();
}

Result<void> change(Connection& db, WallTime now, const PutSession& m) {
  {
    auto statement = db.prepare("DELETE FROM sessions WHERE user_id = ?1 AND expires_at <= ?2");
    statement.bind(m.session.user, now).run();
    if (statement.failed()) return statement.failure();
  }
  auto statement = db.prepare(
      "INSERT INTO sessions(" LATCHKEY_SESSION_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(token_hash) DO UPDATE "
      "SET user_id = excluded.user_id, auth_epoch = excluded.auth_epoch, created_at = excluded.created_at, "
      "expires_at = excluded.expires_at, source = excluded.source");
  statement.bind(session_fields(m.session)).run();
  return outcome_of(statement, "user");
}

Result<void> change(Connection& db, WallTime, const TouchSession& m) {
  auto statement = db.prepare("UPDATE sessions SET expires_at = ?2 WHERE token_hash = ?1");
  const auto changed = statement.bind(m.token_hash, m.expires_at).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("session");
  return {};
}

Result<void> change(Connection& db, WallTime, const DeleteSession& m) {
  auto statement = db.prepare("DELETE FROM sessions WHERE token_hash = ?1");
  const auto changed = statement.bind(m.token_hash).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("session");
  return {};
}

Result<void> change(Connection& db, WallTime, const DeleteSessionsOfUser& m) {
  auto statement = db.prepare("DELETE FROM sessions WHERE user_id = ?1");
  statement.bind(m.user).run();
  return outcome_of(statement, "user");
}

Result<void> change(Connection& db, WallTime now, const RecordPinFailure& m) {
  const auto& failure = m.failure;
  if (failure.user.none()) {
    auto statement = db.prepare(
        "DELETE FROM pin_failures WHERE user_id = x'00000000000000000000000000000000' AND at < ?1");
    statement.bind(now - kTriesOfNobodyKept).run();
    if (statement.failed()) return statement.failure();
  }
  // A user deleted in the meantime leaves no record behind.
  auto statement = db.prepare(
      "INSERT INTO pin_failures(user_id, bucket, fingerprint, at) SELECT ?1, ?2, ?3, ?4 "
      "WHERE ?1 = x'00000000000000000000000000000000' OR EXISTS (SELECT 1 FROM users WHERE id = ?1) "
      "ON CONFLICT(user_id, bucket, fingerprint) DO UPDATE SET at = excluded.at");
  statement.bind(failure.user, failure.bucket, failure.fingerprint, failure.at).run();
  return outcome_of(statement, "user");
}

Result<void> change(Connection& db, WallTime, const ForgetPinFailures& m) {
  auto statement = db.prepare("DELETE FROM pin_failures WHERE user_id = ?1");
  statement.bind(m.user).run();
  return outcome_of(statement, "user");
}

Result<void> change(Connection& db, WallTime, const PutKnownSource& m) {
  {
    auto statement = db.prepare(
        "INSERT INTO known_sources(user_id, source, last_success_at) SELECT ?1, ?2, ?3 "
        "WHERE EXISTS (SELECT 1 FROM users WHERE id = ?1) "
        "ON CONFLICT(user_id, source) DO UPDATE SET last_success_at = max(last_success_at, excluded.last_success_at)");
    statement.bind(m.source.user, m.source.source, m.source.last_success_at).run();
    if (statement.failed()) return statement.failure();
  }
  auto statement = db.prepare(
      "DELETE FROM known_sources WHERE user_id = ?1 AND source NOT IN (SELECT source FROM known_sources WHERE user_id = ?1 "
      "ORDER BY last_success_at DESC, source LIMIT ?2)");
  statement.bind(m.source.user, m.most < 0 ? 0 : m.most).run();
  return outcome_of(statement, "user");
}

Result<void> change(Connection& db, WallTime, const TouchUser& m) {
  auto statement = db.prepare("UPDATE users SET last_used_at = ?2 WHERE id = ?1 AND last_used_at < ?2");
  statement.bind(m.user, m.last_used_at).run();
  return outcome_of(statement, "user");
}

}  // namespace latchkey::store::sqlite
