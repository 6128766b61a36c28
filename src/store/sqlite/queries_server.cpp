#include <charconv>

#include "store/audit_chain.h"
#include "store/folding.h"
#include "store/paging.h"
#include "store/sqlite/queries.h"
#include "store/rows.h"

namespace latchkey::store::sqlite {

Result<std::vector<App>> find_apps(Connection& db) {
  auto statement = db.prepare("SELECT " LATCHKEY_APP_COLUMNS " FROM apps ORDER BY id");
  return all_rows<App>(statement, app_fields<App>);
}

Result<std::optional<App>> find_app(Connection& db, const std::string& id) {
  auto statement = db.prepare("SELECT " LATCHKEY_APP_COLUMNS " FROM apps WHERE id = ?1");
  return only_row<App>(statement.bind(id), app_fields<App>);
}

Result<std::optional<Authorization>> find_authorization(Connection& db, const AuthorizationId& id) {
  auto statement = db.prepare("SELECT " LATCHKEY_AUTHORIZATION_COLUMNS " FROM authorizations WHERE id = ?1");
  return only_row<Authorization>(statement.bind(id), authorization_fields<Authorization>);
}

Result<std::optional<Authorization>> find_authorization_by_ticket(Connection& db, const Bytes& ticket_hash) {
  auto statement = db.prepare("SELECT " LATCHKEY_AUTHORIZATION_COLUMNS
                              " FROM authorizations WHERE ticket_hash = ?1 AND ticket_hash <> x'' LIMIT 1");
  return only_row<Authorization>(statement.bind(ticket_hash), authorization_fields<Authorization>);
}

Result<std::optional<Authorization>> find_authorization_by_state(Connection& db, const Bytes& state_hash) {
  auto statement = db.prepare("SELECT " LATCHKEY_AUTHORIZATION_COLUMNS
                              " FROM authorizations WHERE state_hash = ?1 AND state_hash <> x'' LIMIT 1");
  return only_row<Authorization>(statement.bind(state_hash), authorization_fields<Authorization>);
}

Result<std::optional<Authorization>> find_authorization_reserving(Connection& db, const std::string& username_key) {
  auto statement = db.prepare("SELECT " LATCHKEY_AUTHORIZATION_COLUMNS
                              " FROM authorizations WHERE username_key = ?1 AND username_key <> '' AND state = 0");
  return only_row<Authorization>(statement.bind(username_key), authorization_fields<Authorization>);
}

Result<std::vector<Authorization>> find_expired_authorizations(Connection& db, WallTime now, std::size_t limit) {
  auto statement = db.prepare("SELECT " LATCHKEY_AUTHORIZATION_COLUMNS
                              " FROM authorizations WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2");
  return all_rows<Authorization>(statement.bind(now, limit), authorization_fields<Authorization>);
}

Result<std::vector<Authorization>> find_pending_authorizations(Connection& db, std::size_t limit) {
  // 0 pending, 5 held, 6 needs_confirmation.
  auto statement = db.prepare("SELECT " LATCHKEY_AUTHORIZATION_COLUMNS
                              " FROM authorizations WHERE state IN (0, 5, 6) ORDER BY state = 0, created_at, id LIMIT ?1");
  return all_rows<Authorization>(statement.bind(limit), authorization_fields<Authorization>);
}

Result<std::vector<Authorization>> find_authorizations_after(Connection& db, const AuthorizationId& after, std::size_t limit) {
  auto statement = db.prepare("SELECT " LATCHKEY_AUTHORIZATION_COLUMNS " FROM authorizations WHERE id > ?1 ORDER BY id LIMIT ?2");
  return all_rows<Authorization>(statement.bind(after, limit), authorization_fields<Authorization>);
}

Result<std::vector<Setting>> find_settings(Connection& db) {
  auto statement = db.prepare("SELECT key, value FROM settings ORDER BY key");
  return all_rows<Setting>(statement, [](Setting& s) { return std::tie(s.key, s.value); });
}

Result<Listing<AuditEntry>> list_audit(Connection& db, const AuditQuery& query) {
  constexpr std::string_view kCondition =
      "sequence < ?1 AND (?2 = '' OR folded_contains(?2, actor, action, subject, source, detail)) "
      "AND (?3 = '' OR action = ?3 OR (substr(?3, -1) = '.' AND substr(action, 1, length(?3)) = ?3)) AND at >= ?6";
  // Two shapes, so that one person's trail is found by its index.
  const std::string whose = query.user ? " AND user_id = ?4" : " AND ?4 IS NOT NULL";
  const auto cursor = Cursor::parse(query.page.cursor, 1);
  if (!cursor) return std::unexpected(cursor.error());
  std::int64_t before = std::numeric_limits<std::int64_t>::max();
  if (!cursor->first_page()) {
    const auto& text = cursor->keys[0];
    if (std::from_chars(text.data(), text.data() + text.size(), before).ec != std::errc()) return bad_cursor();
  }
  const auto search = fold(query.search);
  const UserId user = query.user.value_or(UserId());

  const Snapshot snapshot(db);
  Listing<AuditEntry> listing;
  const auto limit = page_limit(query.page);
  auto statement = db.prepare("SELECT " LATCHKEY_AUDIT_COLUMNS " FROM audit WHERE " + std::string(kCondition) + whose +
                              " ORDER BY sequence DESC LIMIT ?5");
  auto rows = all_rows<AuditEntry>(statement.bind(before, search, query.action, user, limit + 1, query.since), audit_fields<AuditEntry>);
  if (!rows) return std::unexpected(rows.error());
  listing.items = *std::move(rows);
  listing.total = cursor->total;
  if (cursor->first_page()) {
    auto count = db.prepare("SELECT count(*) FROM (SELECT 1 FROM audit WHERE " + std::string(kCondition) + whose +
                            " LIMIT ?5)");
    if (count.bind(before, search, query.action, user, kCountedAtMost, query.since).row()) count.read(listing.total);
    if (count.failed()) return count.failure();
  }
  if (listing.items.size() > limit) {
    listing.items.pop_back();
    listing.next_cursor = Cursor{listing.total, {std::to_string(listing.items.back().sequence)}}.text();
  }
  return listing;
}

Result<std::optional<std::int64_t>> verify_audit_chain(Connection& db) {
  auto statement = db.prepare("SELECT " LATCHKEY_AUDIT_COLUMNS " FROM audit ORDER BY sequence");
  Bytes before;
  std::int64_t expected = 1;
  AuditEntry entry;
  while (statement.row()) {
    statement.read(audit_fields(entry));
    if (entry.sequence != expected || entry.hash != chain_hash(before, entry)) return entry.sequence;
    before = entry.hash;
    ++expected;
  }
  if (statement.failed()) return statement.failure();
  return std::optional<std::int64_t>();
}

Result<std::vector<Node>> find_nodes(Connection& db) {
  auto statement = db.prepare("SELECT " LATCHKEY_NODE_COLUMNS " FROM nodes ORDER BY id");
  return all_rows<Node>(statement, node_fields<Node>);
}

Result<Bytes> find_meta(Connection& db, const std::string& key) {
  Bytes value;
  auto statement = db.prepare("SELECT value FROM meta WHERE key = ?1");
  if (statement.bind(key).row()) statement.read(value);
  if (statement.failed()) return statement.failure();
  return value;
}

}  // namespace latchkey::store::sqlite
