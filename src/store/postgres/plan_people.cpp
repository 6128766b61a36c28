#include "store/postgres/expectation.h"
#include "store/postgres/plan.h"
#include "store/postgres/record_values.h"
#include "store/refusals.h"

namespace latchkey::store::postgres {

void add(Plan& plan, std::optional<WallTime>, const InsertGroup& m) {
  auto group = m.group;
  group.version = 1;
  plan.writes.push_back({{"INSERT INTO user_groups(" LATCHKEY_GROUP_COLUMNS ") VALUES ($1, $2, $3, $4, $5)", group_values(group)}});
}

void add(Plan& plan, std::optional<WallTime>, const UpdateGroup& m) {
  constexpr std::string_view kSql = LATCHKEY_EXPECT_VERSION(
      "UPDATE user_groups SET name = $2, name_key = $3, version = version + 1 WHERE id = $1 AND version = $4 RETURNING 1",
      "SELECT 1 FROM user_groups WHERE id = $1", "group");
  plan.writes.push_back({{kSql, Values(m.group.id, m.group.name, base::as_bytes(m.group.name_key), m.group.version)}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteGroup& m) {
  constexpr std::string_view kSql = LATCHKEY_EXPECT_GONE("DELETE FROM user_groups WHERE id = $1 RETURNING 1", "group");
  plan.writes.push_back({{kSql, Values(m.id)}, Reference::group_in_use});
}

void add(Plan& plan, std::optional<WallTime>, const KeepAnAdministrator&) {
  plan.writes.push_back({{kOneAtATime}});
  constexpr std::string_view kSql =
      "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM users WHERE role = 1 AND enabled = 1 AND password_sealed <> '') THEN '1' "
      "ELSE 'latchkey:last_administrator' END AS BIGINT)";
  plan.writes.push_back({{kSql}});
}

void add(Plan& plan, std::optional<WallTime>, const InsertUser& m) {
  auto user = m.user;
  user.version = 1;
  expect_no_device_named(plan, user.username_key);
  constexpr std::string_view kSql =
      "INSERT INTO users(" LATCHKEY_USER_ROW ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
      "$14, $15, $16, $17, $18, $19, $20)";
  plan.writes.push_back({{kSql, user_values(user)}, Reference::group_gone});
}

void add(Plan& plan, std::optional<WallTime>, const UpdateUser& m) {
  expect_no_device_named(plan, m.user.username_key);
  constexpr std::string_view kSql = LATCHKEY_EXPECT_VERSION(
      "UPDATE users SET group_id = $2, username = $3, username_key = $4, name = $5, email = $6, role = $7, enabled = $8, uses = $9, "
      "allowed_sources = $10, auth_epoch = $11, password_sealed = $12, public_key = $13, private_key_wrapped = $14, pin_set_at = $15, "
      "created_at = $16, last_used_at = greatest(last_used_at, $17), mac = $18, version = version + 1, search_fold = $20 "
      "WHERE id = $1 AND version = $19 RETURNING 1",
      "SELECT 1 FROM users WHERE id = $1", "user");
  plan.writes.push_back({{kSql, user_values(m.user)}, Reference::group_gone});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteUser& m) {
  plan.writes.push_back({{"DELETE FROM intents WHERE grant_id IN (SELECT id FROM grants WHERE user_id = $1)", Values(m.id)}});
  plan.writes.push_back({{"DELETE FROM pin_failures WHERE user_id = $1", Values(m.id)}});
  plan.writes.push_back({{"DELETE FROM known_sources WHERE user_id = $1", Values(m.id)}});
  // Grants, generations, wraps, hand-outs and sessions go by their references.
  constexpr std::string_view kSql = LATCHKEY_EXPECT_GONE("DELETE FROM users WHERE id = $1 RETURNING 1", "user");
  plan.writes.push_back({{kSql, Values(m.id)}});
}

void add(Plan& plan, std::optional<WallTime> now, const PutSession& m) {
  plan.writes.push_back({{"DELETE FROM sessions WHERE user_id = $1 AND expires_at <= " LATCHKEY_NOW("$2"), Values(m.session.user, now)}});
  constexpr std::string_view kSql =
      "INSERT INTO sessions(" LATCHKEY_SESSION_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT(token_hash) DO UPDATE "
      "SET user_id = excluded.user_id, auth_epoch = excluded.auth_epoch, created_at = excluded.created_at, "
      "expires_at = excluded.expires_at, source = excluded.source";
  plan.writes.push_back({{kSql, Values().add(session_fields(m.session))}, Reference::user_gone});
}

void add(Plan& plan, std::optional<WallTime>, const TouchSession& m) {
  constexpr std::string_view kSql =
      LATCHKEY_EXPECT_GONE("UPDATE sessions SET expires_at = $2 WHERE token_hash = $1 RETURNING 1", "session");
  plan.writes.push_back({{kSql, Values(m.token_hash, m.expires_at)}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteSession& m) {
  constexpr std::string_view kSql = LATCHKEY_EXPECT_GONE("DELETE FROM sessions WHERE token_hash = $1 RETURNING 1", "session");
  plan.writes.push_back({{kSql, Values(m.token_hash)}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteSessionsOfUser& m) {
  plan.writes.push_back({{"DELETE FROM sessions WHERE user_id = $1", Values(m.user)}});
}

void add(Plan& plan, std::optional<WallTime> now, const RecordPinFailure& m) {
  const auto& failure = m.failure;
  if (failure.user.none()) {
    const auto kept = std::chrono::duration_cast<Milliseconds>(kTriesOfNobodyKept).count();
    plan.writes.push_back({{"DELETE FROM pin_failures WHERE user_id = " LATCHKEY_NOBODY " AND at < " LATCHKEY_NOW("$1") " - $2",
                            Values(now, kept)}});
  }
  // A user deleted in the meantime leaves no record behind.
  constexpr std::string_view kSql =
      "INSERT INTO pin_failures(user_id, bucket, fingerprint, at) SELECT $1, $2, $3, $4 "
      "WHERE $1 = " LATCHKEY_NOBODY " OR EXISTS (SELECT 1 FROM users WHERE id = $1) "
      "ON CONFLICT(user_id, bucket, fingerprint) DO UPDATE SET at = excluded.at";
  plan.writes.push_back({{kSql, Values(failure.user, failure.bucket, failure.fingerprint, failure.at)}});
}

void add(Plan& plan, std::optional<WallTime>, const ForgetPinFailures& m) {
  plan.writes.push_back({{"DELETE FROM pin_failures WHERE user_id = $1", Values(m.user)}});
}

void add(Plan& plan, std::optional<WallTime>, const PutKnownSource& m) {
  constexpr std::string_view kPut =
      "INSERT INTO known_sources(user_id, source, last_success_at) SELECT $1, $2, $3 "
      "WHERE EXISTS (SELECT 1 FROM users WHERE id = $1) "
      "ON CONFLICT(user_id, source) DO UPDATE SET last_success_at = greatest(known_sources.last_success_at, excluded.last_success_at)";
  plan.writes.push_back({{kPut, Values(m.source.user, m.source.source, m.source.last_success_at)}});
  constexpr std::string_view kTrim =
      "DELETE FROM known_sources WHERE user_id = $1 AND source NOT IN (SELECT source FROM known_sources WHERE user_id = $1 "
      "ORDER BY last_success_at DESC, source LIMIT $2)";
  plan.writes.push_back({{kTrim, Values(m.source.user, m.most < 0 ? std::int64_t{0} : m.most)}});
}

void add(Plan& plan, std::optional<WallTime>, const TouchUser& m) {
  plan.writes.push_back({{"UPDATE users SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2", Values(m.user, m.last_used_at)}});
}

}  // namespace latchkey::store::postgres
