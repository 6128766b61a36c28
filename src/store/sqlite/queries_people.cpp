#include "store/sqlite/queries.h"
#include "store/rows.h"

namespace latchkey::store::sqlite {

Result<std::vector<GroupRow>> find_groups(Connection& db) {
  auto statement =
      db.prepare("SELECT " LATCHKEY_GROUP_COLUMNS ", users, oauth_users FROM user_groups ORDER BY name_key");
  std::vector<GroupRow> rows;
  while (statement.row()) {
    auto& row = rows.emplace_back();
    statement.read(group_fields(row.group));
    statement.read(row.users, row.oauth_users);
  }
  if (statement.failed()) return statement.failure();
  return rows;
}

Result<std::optional<Group>> find_group(Connection& db, const GroupId& id) {
  auto statement = db.prepare("SELECT " LATCHKEY_GROUP_COLUMNS " FROM user_groups WHERE id = ?1");
  return only_row<Group>(statement.bind(id), group_fields<Group>);
}

Result<std::optional<Group>> find_group_by_name_key(Connection& db, const std::string& name_key) {
  auto statement = db.prepare("SELECT " LATCHKEY_GROUP_COLUMNS " FROM user_groups WHERE name_key = ?1");
  return only_row<Group>(statement.bind(name_key), group_fields<Group>);
}

Result<std::vector<User>> find_users_after(Connection& db, const UserId& after, std::size_t limit) {
  auto statement = db.prepare("SELECT " LATCHKEY_USER_COLUMNS " FROM users WHERE id > ?1 ORDER BY id LIMIT ?2");
  return all_rows<User>(statement.bind(after, limit), user_fields<User>);
}

Result<std::optional<User>> find_user(Connection& db, const UserId& id) {
  auto statement = db.prepare("SELECT " LATCHKEY_USER_COLUMNS " FROM users WHERE id = ?1");
  return only_row<User>(statement.bind(id), user_fields<User>);
}

Result<std::optional<User>> find_user_by_key(Connection& db, const std::string& username_key) {
  auto statement = db.prepare("SELECT " LATCHKEY_USER_COLUMNS " FROM users WHERE username_key = ?1");
  return only_row<User>(statement.bind(username_key), user_fields<User>);
}

Result<std::int64_t> count_administrators(Connection& db) {
  return db.number("SELECT count(*) FROM users WHERE role = 1 AND enabled = 1 AND password_sealed <> x''");
}

Result<std::vector<PinFailureCount>> find_pin_failures(Connection& db, const UserId& user) {
  auto statement = db.prepare(
      "SELECT bucket, count(*), max(at) FROM pin_failures WHERE user_id = ?1 GROUP BY bucket ORDER BY bucket");
  return all_rows<PinFailureCount>(statement.bind(user),
                                   [](PinFailureCount& c) { return std::tie(c.bucket, c.distinct, c.last_at); });
}

Result<std::int64_t> count_spray(Connection& db, const std::string& bucket, WallTime since) {
  auto statement = db.prepare("SELECT count(*) FROM pin_failures WHERE bucket = ?1 AND at >= ?2");
  std::int64_t count = 0;
  if (statement.bind(bucket, since).row()) statement.read(count);
  if (statement.failed()) return statement.failure();
  return count;
}

Result<std::vector<KnownSource>> find_known_sources(Connection& db, const UserId& user) {
  auto statement = db.prepare(
      "SELECT user_id, source, last_success_at FROM known_sources WHERE user_id = ?1 ORDER BY last_success_at DESC, source");
  return all_rows<KnownSource>(statement.bind(user),
                               [](KnownSource& s) { return std::tie(s.user, s.source, s.last_success_at); });
}

Result<std::optional<Session>> find_session(Connection& db, const Bytes& token_hash) {
  auto statement = db.prepare("SELECT " LATCHKEY_SESSION_COLUMNS " FROM sessions WHERE token_hash = ?1");
  return only_row<Session>(statement.bind(token_hash), session_fields<Session>);
}

}  // namespace latchkey::store::sqlite
