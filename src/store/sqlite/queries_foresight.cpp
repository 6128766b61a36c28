// What the Health page and the revocations' worker ask.
#include "store/paging.h"
#include "store/sqlite/queries.h"
#include "store/rows.h"

namespace latchkey::store::sqlite {

Result<std::vector<TypeStateCount>> count_grants_by_type(Connection& db) {
  auto statement = db.prepare("SELECT type, state, count(*) FROM grants GROUP BY state, type ORDER BY type, state");
  return all_rows<TypeStateCount>(statement, [](TypeStateCount& c) { return std::tie(c.type, c.state, c.count); });
}

Result<std::vector<std::int64_t>> make_grant_histogram(Connection& db, GrantMoment moment, const std::vector<WallTime>& edges) {
  // Due times stand in an index of their own, which is all that is read for them.
  const bool due = moment == GrantMoment::due;
  const std::string column = due ? "due_at" : "access_expires_at";
  std::string bucket = "0";
  for (std::size_t edge = 1; edge <= edges.size(); ++edge) bucket += " + (" + column + " >= ?" + std::to_string(edge) + ")";
  auto statement = db.prepare("SELECT " + bucket + " AS bucket, count(*) FROM grants WHERE " + column + " IS NOT NULL" +
                              (due ? "" : " AND state <= 3") + " GROUP BY bucket");
  for (const auto edge : edges) statement.bind(edge);
  std::vector<std::int64_t> counts(edges.size() + 1);
  while (statement.row()) {
    std::size_t at = 0;
    std::int64_t count = 0;
    statement.read(at, count);
    if (at < counts.size()) counts[at] = count;
  }
  if (statement.failed()) return statement.failure();
  return counts;
}

// SharersQuery.
#define LATCHKEY_IN_USE(now, heard)                                                                                                     \
  "(((state NOT IN (4, 6, 7) OR (state = 4 AND EXISTS (SELECT 1 FROM nodes WHERE length(nodes.run) > 0 AND nodes.seen_at < " heard "))) " \
  "AND EXISTS (SELECT 1 FROM users WHERE users.id = grants.user_id AND users.enabled = 1)) OR "                                        \
  "(state NOT IN (4, 7) AND EXISTS (SELECT 1 FROM revocations WHERE revocations.id = grants.id AND revocations.created_at > " now ")))"

Result<std::vector<Grant>> find_sharers(Connection& db, const SharersQuery& query) {
  const auto& [app, account_id, now, heard_since, limit] = query;
  if (account_id.empty()) {
    auto statement = db.prepare("SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE app = ?1 AND " LATCHKEY_IN_USE("?3", "?4") " LIMIT ?2");
    return all_rows<Grant>(statement.bind(app, limit, now, heard_since), grant_fields<Grant>);
  }
  // Two indices, and the one is read only where the other left room.
  auto statement = db.prepare(
      "SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE app = ?1 AND account_id = ?2 AND account_id <> '' AND " LATCHKEY_IN_USE("?4", "?5") " "
      "UNION ALL "
      "SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE app = ?1 AND account_id = '' AND " LATCHKEY_IN_USE("?4", "?5") " LIMIT ?3");
  return all_rows<Grant>(statement.bind(app, account_id, limit, now, heard_since), grant_fields<Grant>);
}

Result<std::vector<GrantEvent>> find_grant_events(Connection& db, const GrantId& grant) {
  auto statement = db.prepare("SELECT " LATCHKEY_EVENT_COLUMNS " FROM grant_events WHERE grant_id = ?1 ORDER BY sequence DESC");
  return all_rows<GrantEvent>(statement.bind(grant), event_fields<GrantEvent>);
}

Result<Listing<Revocation>> find_revocations(Connection& db, WallTime due_until, std::size_t limit) {
  const Snapshot snapshot(db);
  Listing<Revocation> listing;
  {
    auto statement = db.prepare("SELECT " LATCHKEY_REVOCATION_COLUMNS " FROM revocations WHERE due_at <= ?1 ORDER BY due_at, id LIMIT ?2");
    auto rows = all_rows<Revocation>(statement.bind(due_until, limit), revocation_fields<Revocation>);
    if (!rows) return std::unexpected(rows.error());
    listing.items = *std::move(rows);
  }
  auto count = db.prepare("SELECT count(*) FROM (SELECT 1 FROM revocations WHERE due_at <= ?1 LIMIT ?2)");
  if (count.bind(due_until, revocations_counted(due_until)).row()) count.read(listing.total);
  if (count.failed()) return count.failure();
  return listing;
}

Result<std::vector<Revocation>> find_revocations_after(Connection& db, const RevocationId& after, std::size_t limit) {
  auto statement = db.prepare("SELECT " LATCHKEY_REVOCATION_COLUMNS " FROM revocations WHERE id > ?1 ORDER BY id LIMIT ?2");
  return all_rows<Revocation>(statement.bind(after, limit), revocation_fields<Revocation>);
}

Result<std::vector<Tally>> find_tallies(Connection& db, const std::string& prefix, WallTime since) {
  auto statement =
      db.prepare("SELECT name, at, count FROM tallies WHERE substr(name, 1, length(?1)) = ?1 AND at >= ?2 ORDER BY name, at");
  return all_rows<Tally>(statement.bind(prefix, since), [](Tally& t) { return std::tie(t.name, t.at, t.count); });
}

}  // namespace latchkey::store::sqlite
