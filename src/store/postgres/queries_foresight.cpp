// What the Health page and the revocations' worker ask.
#include <algorithm>
#include <tuple>

#include "store/paging.h"
#include "store/postgres/queries.h"
#include "store/rows.h"

namespace latchkey::store::postgres {

Result<std::vector<TypeStateCount>> count_grants_by_type(Connection& db) {
  auto found = all_rows<TypeStateCount>(db, {"SELECT type, state, count(*) FROM grants GROUP BY state, type"},
                                        [](TypeStateCount& c) { return std::tie(c.type, c.state, c.count); });
  if (found) std::ranges::sort(*found, {}, [](const TypeStateCount& c) { return std::tie(c.type, c.state); });
  return found;
}

Result<std::vector<std::int64_t>> make_grant_histogram(Connection& db, GrantMoment moment, const std::vector<WallTime>& edges) {
  const bool due = moment == GrantMoment::due;
  const std::string column = due ? "due_at" : "access_expires_at";
  std::string bucket = "CAST(0 AS BIGINT)";
  Values values;
  for (std::size_t edge = 1; edge <= edges.size(); ++edge) {
    bucket += " + CASE WHEN " + column + " >= $" + std::to_string(edge) + " THEN 1 ELSE 0 END";
    values.add(edges[edge - 1]);
  }
  const auto sql = "SELECT bucket, count(*) FROM (SELECT " + bucket + " AS bucket FROM grants WHERE " + column + " IS NOT NULL" +
                   (due ? "" : " AND state <= 3") + ") AS counted GROUP BY bucket";
  auto rows = db.ask({sql, std::move(values)});
  if (!rows) return std::unexpected(rows.error());
  std::vector<std::int64_t> counts(edges.size() + 1);
  while (rows->row()) {
    std::int64_t at = 0;
    std::int64_t count = 0;
    rows->read(at, count);
    if (at >= 0 && static_cast<std::size_t>(at) < counts.size()) counts[static_cast<std::size_t>(at)] = count;
  }
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
    return all_rows<Grant>(db, {"SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE app = $1 AND " LATCHKEY_IN_USE("$3", "$4") " LIMIT $2", Values(app, limit, now, heard_since)},
                           grant_fields<Grant>);
  }
  auto found = all_rows<Grant>(db, {"SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE app = $1 AND account_id = $2 AND account_id <> '' "
                                    "AND " LATCHKEY_IN_USE("$4", "$5") " LIMIT $3", Values(app, account_id, limit, now, heard_since)},
                               grant_fields<Grant>);
  if (!found || found->size() == limit) return found;
  auto unnamed = all_rows<Grant>(db, {"SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE app = $1 AND account_id = '' AND " LATCHKEY_IN_USE("$3", "$4") " "
                                      "LIMIT $2", Values(app, limit - found->size(), now, heard_since)},
                                 grant_fields<Grant>);
  if (!unnamed) return unnamed;
  std::ranges::move(*unnamed, std::back_inserter(*found));
  return found;
}

Result<std::vector<GrantEvent>> find_grant_events(Connection& db, const GrantId& grant) {
  return all_rows<GrantEvent>(db, {"SELECT " LATCHKEY_EVENT_COLUMNS " FROM grant_events WHERE grant_id = $1 ORDER BY sequence DESC", Values(grant)},
                              event_fields<GrantEvent>);
}

Result<Listing<Revocation>> find_revocations(Connection& db, WallTime due_until, std::size_t limit) {
  auto rows = db.ask_together(
      {{"SELECT " LATCHKEY_REVOCATION_COLUMNS " FROM revocations WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2", Values(due_until, limit)},
       {"SELECT count(*) FROM (SELECT 1 FROM revocations WHERE due_at <= $1 LIMIT $2) AS counted", Values(due_until, revocations_counted(due_until))}});
  if (!rows) return std::unexpected(rows.error());
  Listing<Revocation> listing;
  listing.items = all_of<Revocation>((*rows)[0], revocation_fields<Revocation>);
  if ((*rows)[1].row()) (*rows)[1].read(listing.total);
  return listing;
}

Result<std::vector<Revocation>> find_revocations_after(Connection& db, const RevocationId& after, std::size_t limit) {
  return all_rows<Revocation>(db, {"SELECT " LATCHKEY_REVOCATION_COLUMNS " FROM revocations WHERE id > $1 ORDER BY id LIMIT $2", Values(after, limit)},
                              revocation_fields<Revocation>);
}

Result<std::vector<Tally>> find_tallies(Connection& db, const std::string& prefix, WallTime since) {
  auto found = all_rows<Tally>(db, {"SELECT name, at, count FROM tallies WHERE substr(name, 1, length($1)) = $1 AND at >= $2", Values(prefix, since)},
                               [](Tally& t) { return std::tie(t.name, t.at, t.count); });
  if (found) std::ranges::sort(*found, {}, [](const Tally& t) { return std::tie(t.name, t.at); });
  return found;
}

}  // namespace latchkey::store::postgres
