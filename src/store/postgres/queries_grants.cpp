#include <algorithm>

#include "store/postgres/plan.h"
#include "store/postgres/queries.h"
#include "store/rows.h"

namespace latchkey::store::postgres {
namespace {

// What a sweep is given belongs to its node for so long; it is asked for again every second while it is not begun.
constexpr Milliseconds kReservedFor{2'000};

// A set as one value: names in lines, each between line feeds.
std::string set_of(const std::vector<std::string>& names) {
  std::string lines = "\n";
  for (const auto& name : names) lines.append(name).push_back('\n');
  return lines;
}

}  // namespace

Result<std::optional<GrantView>> find_grant(Connection& db, const GrantId& id) {
  auto rows = db.ask_together(
      {{"SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE id = $1", Values(id)},
       {"SELECT " LATCHKEY_GENERATION_COLUMNS " FROM generations WHERE grant_id = $1 ORDER BY number", Values(id)},
       {"SELECT " LATCHKEY_INTENT_COLUMNS
        " FROM intents WHERE grant_id = $1 AND generation = (SELECT generation FROM grants WHERE id = $1)", Values(id)}});
  if (!rows) return std::unexpected(rows.error());
  auto grant = only_of<Grant>((*rows)[0], grant_fields<Grant>);
  if (!grant) return std::optional<GrantView>();
  return GrantView{.grant = *std::move(grant), .generations = all_of<Generation>((*rows)[1], generation_fields<Generation>),
                   .intent = only_of<Intent>((*rows)[2], intent_fields<Intent>)};
}

Result<std::vector<Grant>> find_grants_of_user(Connection& db, const UserId& user) {
  auto found = all_rows<Grant>(db, {"SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE user_id = $1", Values(user)}, grant_fields<Grant>);
  if (found) std::ranges::sort(*found, {}, &Grant::type);
  return found;
}

// The grants asked for; $1 user, $2 type or nothing.
#define LATCHKEY_HELD "FROM grants WHERE user_id = $1 AND ($2 = '' OR type = $2)"

Result<std::optional<Holding>> find_holding(Connection& db, const UserId& user, const std::string& type) {
  auto rows = db.ask_together(
      {{"SELECT " LATCHKEY_USER_COLUMNS " FROM users WHERE id = $1", Values(user)},
       {"SELECT " LATCHKEY_GRANT_COLUMNS " " LATCHKEY_HELD, Values(user, type)},
       {"SELECT " LATCHKEY_GENERATION_COLUMNS " FROM generations WHERE grant_id IN (SELECT id " LATCHKEY_HELD ") ORDER BY number", Values(user, type)},
       {"SELECT " LATCHKEY_INTENT_COLUMNS " FROM intents WHERE (grant_id, generation) IN (SELECT id, generation " LATCHKEY_HELD ")", Values(user, type)},
       // All but those of queued deliveries, of which there may be ten thousand and which no hand-out asks for.
       {"SELECT " LATCHKEY_WRAP_COLUMNS " FROM wraps WHERE grant_id IN (SELECT id " LATCHKEY_HELD ") AND holder_kind < $3 ORDER BY holder_kind, holder",
        Values(user, type, HolderKind::delivery)}});
  if (!rows) return std::unexpected(rows.error());
  auto holder = only_of<User>((*rows)[0], user_fields<User>);
  if (!holder) return std::optional<Holding>();
  Holding holding{.user = *std::move(holder)};
  for (auto& grant : all_of<Grant>((*rows)[1], grant_fields<Grant>)) holding.grants.push_back({.view = {.grant = std::move(grant)}});
  std::ranges::sort(holding.grants, {}, [](const Holding::Held& held) { return std::string_view(held.view.grant.type); });
  const auto of_grant = [&](const GrantId& id) {
    return std::ranges::find(holding.grants, id, [](const Holding::Held& held) { return held.view.grant.id; });
  };
  for (auto& generation : all_of<Generation>((*rows)[2], generation_fields<Generation>)) {
    const auto held = of_grant(generation.grant);
    held->view.generations.push_back(std::move(generation));
  }
  for (auto& intent : all_of<Intent>((*rows)[3], intent_fields<Intent>)) {
    const auto held = of_grant(intent.grant);
    held->view.intent = std::move(intent);
  }
  for (auto& wrap : all_of<Wrap>((*rows)[4], wrap_fields<Wrap>)) {
    const auto held = of_grant(wrap.grant);
    held->wraps.push_back(std::move(wrap));
  }
  return holding;
}

Result<std::vector<Grant>> find_grants_of_app(Connection& db, const std::string& app, std::size_t limit) {
  return all_rows<Grant>(db, {"SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE app = $1 ORDER BY created_at, id LIMIT $2", Values(app, limit)},
                         grant_fields<Grant>);
}

Result<std::vector<Grant>> find_grants_after(Connection& db, const GrantId& after, std::size_t limit) {
  return all_rows<Grant>(db, {"SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE id > $1 ORDER BY id LIMIT $2", Values(after, limit)},
                         grant_fields<Grant>);
}

Result<std::optional<Grant>> find_grant_by_account(Connection& db, const std::string& app, const std::string& type,
                                                   const std::string& account_id) {
  // The second condition on account_id is what lets the partial index answer.
  return only_row<Grant>(db, {"SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE app = $1 AND account_id = $2 AND type = $3 "
                              "AND account_id <> '' ORDER BY created_at, id LIMIT 1", Values(app, account_id, type)},
                         grant_fields<Grant>);
}

Result<std::vector<Wrap>> find_wraps(Connection& db, const GrantId& grant) {
  return all_rows<Wrap>(db, {"SELECT " LATCHKEY_WRAP_COLUMNS " FROM wraps WHERE grant_id = $1 ORDER BY holder_kind, holder", Values(grant)},
                        wrap_fields<Wrap>);
}

// What this node holds already for a while longer is left as it is; what others hold is passed by, and so is what they are
// about to take. It never holds more than it asked for, so that others find work, too. $1 until, $2 now, $3 apps left out, in
// lines, $4 the node, $5 for how long, $6 when to renew, $7 how many.
//
// NOT IN and NOT (... > 0): of NOT EXISTS and "= 0" the planner believes that hardly a row passes, and then reads and sorts all
// that is due, instead of following the index of due times as far as the limit.
Result<std::vector<DueGrant>> take_due_grants(Connection& db, const NodeId& node, WallTime until, std::optional<WallTime> now,
                                              std::size_t limit, const std::vector<std::string>& without_apps) {
  constexpr std::string_view kTake =
      "WITH taken AS MATERIALIZED ("
      "SELECT g.id, g.due_at, g.app, g.type, g.reserved_by, g.reserved_until FROM grants AS g "
      "WHERE g.due_at IS NOT NULL AND g.due_at <= $1 AND (g.lease_owner = " LATCHKEY_NOBODY " OR g.lease_until <= " LATCHKEY_NOW("$2") ") "
      "AND g.app NOT IN (SELECT id FROM apps WHERE paused = 1) AND NOT (strpos($3, chr(10) || g.app || chr(10)) > 0) "
      "AND (g.reserved_until <= " LATCHKEY_NOW("$2") " OR g.reserved_by = $4) "
      "ORDER BY g.due_at, g.id LIMIT $7 FOR UPDATE OF g SKIP LOCKED), "
      "kept AS (UPDATE grants SET reserved_by = $4, reserved_until = " LATCHKEY_NOW("$2") " + $5 WHERE id IN ("
      "SELECT id FROM taken WHERE reserved_by <> $4 OR reserved_until <= " LATCHKEY_NOW("$2") " + $6) RETURNING 1) "
      "SELECT id, due_at, app, type FROM taken ORDER BY due_at, id";
  return all_rows<DueGrant>(
      db, {kTake, Values(until, now, set_of(without_apps), node, kReservedFor.count(), kReservedFor.count() / 2, limit)},
      [](DueGrant& d) { return std::tie(d.id, d.due_at, d.app, d.type); });
}

Result<std::vector<Intent>> find_open_intents(Connection& db, std::size_t limit) {
  return all_rows<Intent>(
      db, {"SELECT " LATCHKEY_INTENT_COLUMNS " FROM intents WHERE state IN (0, 1) AND state = 0 ORDER BY opened_at LIMIT $1", Values(limit)},
      intent_fields<Intent>);
}

Result<std::vector<GrantAge>> find_aged_grants(Connection& db, const AgeQuery& query) {
  return all_rows<GrantAge>(
      db, {"SELECT id, type, created_at, greatest(last_refreshed_at, issued_at) FROM grants WHERE id > $1 AND state <= 3 "
           "AND (greatest(last_refreshed_at, issued_at) < $2 OR created_at < $3) AND strpos($4, chr(10) || type || chr(10)) > 0 "
           "ORDER BY id LIMIT $5",
           Values(query.after, query.refreshed_before, query.consented_before, set_of(query.types), query.limit)},
      [](GrantAge& a) { return std::tie(a.id, a.type, a.consented_at, a.refreshed_at); });
}

Result<std::vector<StateCount>> count_grant_states(Connection& db) {
  return all_rows<StateCount>(db, {"SELECT state, count(*) FROM grants GROUP BY state ORDER BY state"},
                              [](StateCount& c) { return std::tie(c.state, c.count); });
}

Result<std::vector<HandoutCount>> find_handouts(Connection& db, const GrantId& grant, WallTime since) {
  return all_rows<HandoutCount>(
      db, {"SELECT grant_id, minute, count FROM handouts WHERE grant_id = $1 AND minute >= $2 ORDER BY minute", Values(grant, since)},
      [](HandoutCount& h) { return std::tie(h.grant, h.minute, h.count); });
}

}  // namespace latchkey::store::postgres
