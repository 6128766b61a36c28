#include <algorithm>

#include "store/postgres/queries.h"
#include "store/rows.h"

namespace latchkey::store::postgres {

Result<std::vector<GroupRow>> find_groups(Connection& db) {
  static const Query kQuery{
      "SELECT g.id, g.name, g.name_key, g.created_at, g.version, coalesce(c.users, 0), coalesce(c.oauth_users, 0) "
      "FROM user_groups AS g LEFT JOIN (SELECT u.group_id, count(*) AS users, count(o.user_id) AS oauth_users FROM users AS u "
      "LEFT JOIN (SELECT DISTINCT user_id FROM grants) AS o ON o.user_id = u.id GROUP BY u.group_id) AS c ON c.group_id = g.id "
      "ORDER BY g.name_key"};
  auto rows = db.ask(kQuery);
  if (!rows) return std::unexpected(rows.error());
  std::vector<GroupRow> found;
  while (rows->row()) {
    auto& row = found.emplace_back();
    rows->read(group_fields(row.group));
    rows->read(row.users, row.oauth_users);
  }
  return found;
}

Result<std::optional<Group>> find_group(Connection& db, const GroupId& id) {
  return only_row<Group>(db, {"SELECT " LATCHKEY_GROUP_COLUMNS " FROM user_groups WHERE id = $1", Values(id)}, group_fields<Group>);
}

Result<std::optional<Group>> find_group_by_name_key(Connection& db, const std::string& name_key) {
  return only_row<Group>(db, {"SELECT " LATCHKEY_GROUP_COLUMNS " FROM user_groups WHERE name_key = $1", Values(base::as_bytes(name_key))},
                         group_fields<Group>);
}

Result<std::optional<User>> find_user(Connection& db, const UserId& id) {
  return only_row<User>(db, {"SELECT " LATCHKEY_USER_COLUMNS " FROM users WHERE id = $1", Values(id)}, user_fields<User>);
}

Result<std::optional<User>> find_user_by_key(Connection& db, const std::string& username_key) {
  return only_row<User>(db, {"SELECT " LATCHKEY_USER_COLUMNS " FROM users WHERE username_key = $1", Values(base::as_bytes(username_key))},
                        user_fields<User>);
}

Result<std::vector<User>> find_users_after(Connection& db, const UserId& after, std::size_t limit) {
  return all_rows<User>(db, {"SELECT " LATCHKEY_USER_COLUMNS " FROM users WHERE id > $1 ORDER BY id LIMIT $2", Values(after, limit)},
                        user_fields<User>);
}

Result<std::int64_t> count_administrators(Connection& db) {
  return number(db, {"SELECT count(*) FROM users WHERE role = 1 AND enabled = 1 AND password_sealed <> ''"});
}

Result<std::vector<PinFailureCount>> find_pin_failures(Connection& db, const UserId& user) {
  auto found = all_rows<PinFailureCount>(
      db, {"SELECT bucket, count(*), max(at) FROM pin_failures WHERE user_id = $1 GROUP BY bucket", Values(user)},
      [](PinFailureCount& c) { return std::tie(c.bucket, c.distinct, c.last_at); });
  if (found) std::ranges::sort(*found, {}, &PinFailureCount::bucket);
  return found;
}

Result<std::int64_t> count_spray(Connection& db, const std::string& bucket, WallTime since) {
  return number(db, {"SELECT count(*) FROM pin_failures WHERE bucket = $1 AND at >= $2", Values(bucket, since)});
}

Result<std::vector<KnownSource>> find_known_sources(Connection& db, const UserId& user) {
  return all_rows<KnownSource>(
      db, {"SELECT user_id, source, last_success_at FROM known_sources WHERE user_id = $1 ORDER BY last_success_at DESC, source", Values(user)},
      [](KnownSource& s) { return std::tie(s.user, s.source, s.last_success_at); });
}

Result<std::optional<Session>> find_session(Connection& db, const Bytes& token_hash) {
  return only_row<Session>(db, {"SELECT " LATCHKEY_SESSION_COLUMNS " FROM sessions WHERE token_hash = $1", Values(token_hash)},
                           session_fields<Session>);
}

}  // namespace latchkey::store::postgres
