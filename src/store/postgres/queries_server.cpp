#include <algorithm>
#include <charconv>
#include <limits>

#include "store/audit_chain.h"
#include "store/folding.h"
#include "store/paging.h"
#include "store/postgres/queries.h"
#include "store/rows.h"

namespace latchkey::store::postgres {
namespace {

constexpr std::int64_t kVerifiedAtOnce = 2'000;

}  // namespace

Result<WallTime> find_now(Connection& db) {
  const auto ms = number(db, {"SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"});
  if (!ms) return std::unexpected(ms.error());
  return base::from_unix_ms(*ms);
}

Result<std::vector<App>> find_apps(Connection& db) {
  auto found = all_rows<App>(db, {"SELECT " LATCHKEY_APP_COLUMNS " FROM apps"}, app_fields<App>);
  if (found) std::ranges::sort(*found, {}, &App::id);
  return found;
}

Result<std::optional<App>> find_app(Connection& db, const std::string& id) {
  return only_row<App>(db, {"SELECT " LATCHKEY_APP_COLUMNS " FROM apps WHERE id = $1", Values(id)}, app_fields<App>);
}

Result<std::optional<Authorization>> find_authorization(Connection& db, const AuthorizationId& id) {
  return only_row<Authorization>(db, {"SELECT " LATCHKEY_AUTHORIZATION_COLUMNS " FROM authorizations WHERE id = $1", Values(id)},
                                 authorization_fields<Authorization>);
}

Result<std::optional<Authorization>> find_authorization_by_ticket(Connection& db, const Bytes& ticket_hash) {
  return only_row<Authorization>(db, {"SELECT " LATCHKEY_AUTHORIZATION_COLUMNS
                                      " FROM authorizations WHERE ticket_hash = $1 AND ticket_hash <> '' LIMIT 1", Values(ticket_hash)},
                                 authorization_fields<Authorization>);
}

Result<std::optional<Authorization>> find_authorization_by_state(Connection& db, const Bytes& state_hash) {
  return only_row<Authorization>(db, {"SELECT " LATCHKEY_AUTHORIZATION_COLUMNS
                                      " FROM authorizations WHERE state_hash = $1 AND state_hash <> '' LIMIT 1", Values(state_hash)},
                                 authorization_fields<Authorization>);
}

Result<std::optional<Authorization>> find_authorization_reserving(Connection& db, const std::string& username_key) {
  return only_row<Authorization>(db, {"SELECT " LATCHKEY_AUTHORIZATION_COLUMNS
                                      " FROM authorizations WHERE username_key = $1 AND username_key <> '' AND state = 0", Values(username_key)},
                                 authorization_fields<Authorization>);
}

Result<std::vector<Authorization>> find_expired_authorizations(Connection& db, WallTime now, std::size_t limit) {
  return all_rows<Authorization>(db, {"SELECT " LATCHKEY_AUTHORIZATION_COLUMNS
                                      " FROM authorizations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2", Values(now, limit)},
                                 authorization_fields<Authorization>);
}

Result<std::vector<Authorization>> find_pending_authorizations(Connection& db, std::size_t limit) {
  // 0 pending, 5 held, 6 needs_confirmation.
  return all_rows<Authorization>(
      db, {"SELECT " LATCHKEY_AUTHORIZATION_COLUMNS
           " FROM authorizations WHERE state IN (0, 5, 6) ORDER BY CASE WHEN state = 0 THEN 1 ELSE 0 END, created_at, id LIMIT $1",
           Values(limit)},
      authorization_fields<Authorization>);
}

Result<std::vector<Authorization>> find_authorizations_after(Connection& db, const AuthorizationId& after, std::size_t limit) {
  return all_rows<Authorization>(db, {"SELECT " LATCHKEY_AUTHORIZATION_COLUMNS " FROM authorizations WHERE id > $1 ORDER BY id LIMIT $2",
                                      Values(after, limit)}, authorization_fields<Authorization>);
}

Result<std::vector<Setting>> find_settings(Connection& db) {
  auto found = all_rows<Setting>(db, {"SELECT key, value FROM settings"}, [](Setting& s) { return std::tie(s.key, s.value); });
  if (found) std::ranges::sort(*found, {}, &Setting::key);
  return found;
}

#define LATCHKEY_AUDIT_CONDITION                                           \
  "sequence < $1 AND ($2 = '' OR strpos(search_fold, $2) > 0) "            \
  "AND ($3 = '' OR action = $3 OR (right($3, 1) = '.' AND left(action, length($3)) = $3)) AND at >= $4 "
// Two shapes, so that one person's trail is found by its index.
#define LATCHKEY_AUDIT_OF_USER "AND user_id = $6 "

Result<Listing<AuditEntry>> list_audit(Connection& db, const AuditQuery& query) {
  const auto cursor = Cursor::parse(query.page.cursor, 1);
  if (!cursor) return std::unexpected(cursor.error());
  std::int64_t before = std::numeric_limits<std::int64_t>::max();
  if (!cursor->first_page()) {
    const auto& text = cursor->keys[0];
    if (std::from_chars(text.data(), text.data() + text.size(), before).ec != std::errc()) return bad_cursor();
  }
  const auto limit = page_limit(query.page);
  const auto values = [&](std::size_t most) {
    Values bound(before, fold(query.search), query.action, query.since, most);
    if (query.user) bound.add(*query.user);
    return bound;
  };
  std::vector<Query> questions{
      {query.user ? "SELECT " LATCHKEY_AUDIT_COLUMNS " FROM audit WHERE " LATCHKEY_AUDIT_CONDITION LATCHKEY_AUDIT_OF_USER
                    "ORDER BY sequence DESC LIMIT $5"
                  : "SELECT " LATCHKEY_AUDIT_COLUMNS " FROM audit WHERE " LATCHKEY_AUDIT_CONDITION "ORDER BY sequence DESC LIMIT $5",
       values(limit + 1)}};
  if (cursor->first_page()) {
    questions.push_back({query.user ? "SELECT count(*) FROM (SELECT 1 FROM audit WHERE " LATCHKEY_AUDIT_CONDITION LATCHKEY_AUDIT_OF_USER
                                      "LIMIT $5) AS counted"
                                    : "SELECT count(*) FROM (SELECT 1 FROM audit WHERE " LATCHKEY_AUDIT_CONDITION "LIMIT $5) AS counted",
                         values(static_cast<std::size_t>(kCountedAtMost))});
  }
  auto rows = db.ask_together(questions);
  if (!rows) return std::unexpected(rows.error());
  Listing<AuditEntry> listing;
  listing.items = all_of<AuditEntry>((*rows)[0], audit_fields<AuditEntry>);
  listing.total = cursor->total;
  if (cursor->first_page() && (*rows)[1].row()) (*rows)[1].read(listing.total);
  if (listing.items.size() > limit) {
    listing.items.pop_back();
    listing.next_cursor = Cursor{listing.total, {std::to_string(listing.items.back().sequence)}}.text();
  }
  return listing;
}

Result<std::optional<std::int64_t>> verify_audit_chain(Connection& db) {
  Bytes before;
  std::int64_t last = 0;
  for (;;) {
    auto rows = db.ask({"SELECT " LATCHKEY_AUDIT_COLUMNS " FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT $2",
                        Values(last, kVerifiedAtOnce)});
    if (!rows) return std::unexpected(rows.error());
    bool any = false;
    AuditEntry entry;
    while (rows->row()) {
      any = true;
      rows->read(audit_fields(entry));
      if (entry.sequence != last + 1 || entry.hash != chain_hash(before, entry)) return entry.sequence;
      before = entry.hash;
      last = entry.sequence;
    }
    if (!any) return std::optional<std::int64_t>();
  }
}

Result<std::vector<Node>> find_nodes(Connection& db) {
  return all_rows<Node>(db, {"SELECT " LATCHKEY_NODE_COLUMNS " FROM nodes ORDER BY id"}, node_fields<Node>);
}

Result<Bytes> find_meta(Connection& db, const std::string& key) {
  auto rows = db.ask({"SELECT value FROM meta WHERE key = $1", Values(key)});
  if (!rows) return std::unexpected(rows.error());
  Bytes value;
  if (rows->row()) rows->read(value);
  return value;
}

}  // namespace latchkey::store::postgres
