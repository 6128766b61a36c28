#include "store/sqlite/queries.h"
#include "store/rows.h"

namespace latchkey::store::sqlite {
namespace {

// A set as one value: names in lines, each between line feeds.
std::string set_of(const std::vector<std::string>& names) {
  std::string lines = "\n";
  for (const auto& name : names) lines.append(name).push_back('\n');
  return lines;
}

// Within the caller's snapshot.
Result<GrantView> view_of(Connection& db, Grant grant) {
  GrantView view{.grant = std::move(grant)};
  {
    auto statement =
        db.prepare("SELECT " LATCHKEY_GENERATION_COLUMNS " FROM generations WHERE grant_id = ?1 ORDER BY number");
    auto generations = all_rows<Generation>(statement.bind(view.grant.id), generation_fields<Generation>);
    if (!generations) return std::unexpected(generations.error());
    view.generations = *std::move(generations);
  }
  auto statement = db.prepare("SELECT " LATCHKEY_INTENT_COLUMNS " FROM intents WHERE grant_id = ?1 AND generation = ?2");
  auto intent = only_row<Intent>(statement.bind(view.grant.id, view.grant.generation), intent_fields<Intent>);
  if (!intent) return std::unexpected(intent.error());
  view.intent = *std::move(intent);
  return view;
}

// All but those of queued deliveries, of which there may be ten thousand and which no hand-out asks for.
Result<std::vector<Wrap>> find_wraps_that_stay(Connection& db, const GrantId& grant) {
  static_assert(HolderKind::delivery > std::max({HolderKind::user, HolderKind::connector, HolderKind::device}));
  auto statement = db.prepare("SELECT " LATCHKEY_WRAP_COLUMNS
                              " FROM wraps WHERE grant_id = ?1 AND holder_kind < ?2 ORDER BY holder_kind, holder");
  return all_rows<Wrap>(statement.bind(grant, HolderKind::delivery), wrap_fields<Wrap>);
}

}  // namespace

Result<std::optional<GrantView>> find_grant(Connection& db, const GrantId& id) {
  const Snapshot snapshot(db);
  std::optional<Grant> grant;
  {
    auto statement = db.prepare("SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE id = ?1");
    auto found = only_row<Grant>(statement.bind(id), grant_fields<Grant>);
    if (!found) return std::unexpected(found.error());
    grant = *std::move(found);
  }
  if (!grant) return std::optional<GrantView>();
  return view_of(db, *std::move(grant));
}

Result<std::optional<Holding>> find_holding(Connection& db, const UserId& user, const std::string& type) {
  const Snapshot snapshot(db);
  auto holder = find_user(db, user);
  if (!holder) return std::unexpected(holder.error());
  if (!*holder) return std::optional<Holding>();
  Holding holding{.user = **std::move(holder)};
  auto grants = find_grants_of_user(db, user);
  if (!grants) return std::unexpected(grants.error());
  for (auto& grant : *grants) {
    if (!type.empty() && grant.type != type) continue;
    auto view = view_of(db, std::move(grant));
    if (!view) return std::unexpected(view.error());
    auto wraps = find_wraps_that_stay(db, view->grant.id);
    if (!wraps) return std::unexpected(wraps.error());
    holding.grants.push_back({.view = *std::move(view), .wraps = *std::move(wraps)});
  }
  return holding;
}

Result<std::vector<Grant>> find_grants_of_user(Connection& db, const UserId& user) {
  auto statement = db.prepare("SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE user_id = ?1 ORDER BY type");
  return all_rows<Grant>(statement.bind(user), grant_fields<Grant>);
}

Result<std::vector<Grant>> find_grants_of_app(Connection& db, const std::string& app, std::size_t limit) {
  auto statement = db.prepare("SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE app = ?1 ORDER BY rowid LIMIT ?2");
  return all_rows<Grant>(statement.bind(app, limit), grant_fields<Grant>);
}

Result<std::vector<Grant>> find_grants_after(Connection& db, const GrantId& after, std::size_t limit) {
  auto statement = db.prepare("SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE id > ?1 ORDER BY id LIMIT ?2");
  return all_rows<Grant>(statement.bind(after, limit), grant_fields<Grant>);
}

Result<std::optional<Grant>> find_grant_by_account(Connection& db, const std::string& app, const std::string& type,
                                                   const std::string& account_id) {
  // The second condition on account_id is what lets the partial index answer.
  auto statement =
      db.prepare("SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE app = ?1 AND account_id = ?2 AND type = ?3 "
                 "AND account_id <> '' ORDER BY created_at LIMIT 1");
  return only_row<Grant>(statement.bind(app, account_id, type), grant_fields<Grant>);
}

Result<std::vector<Wrap>> find_wraps(Connection& db, const GrantId& grant) {
  auto statement =
      db.prepare("SELECT " LATCHKEY_WRAP_COLUMNS " FROM wraps WHERE grant_id = ?1 ORDER BY holder_kind, holder");
  return all_rows<Wrap>(statement.bind(grant), wrap_fields<Wrap>);
}

Result<std::vector<DueGrant>> find_due_grants(Connection& db, WallTime until, WallTime now, std::size_t limit,
                                              const std::vector<std::string>& without_apps) {
  const auto lines = set_of(without_apps);
  auto statement = db.prepare(
      "SELECT g.id, g.due_at, g.app, g.type FROM grants AS g INDEXED BY grants_due LEFT JOIN apps AS a ON a.id = g.app "
      "WHERE g.due_at IS NOT NULL AND g.due_at <= ?1 "
      "AND (g.lease_owner = x'00000000000000000000000000000000' OR g.lease_until <= ?2) AND coalesce(a.paused, 0) = 0 "
      "AND instr(?4, char(10) || g.app || char(10)) = 0 "
      "ORDER BY g.due_at LIMIT ?3");
  return all_rows<DueGrant>(statement.bind(until, now, limit, lines),
                            [](DueGrant& d) { return std::tie(d.id, d.due_at, d.app, d.type); });
}

Result<std::vector<Intent>> find_open_intents(Connection& db, std::size_t limit) {
  auto statement =
      db.prepare("SELECT " LATCHKEY_INTENT_COLUMNS " FROM intents WHERE state IN (0, 1) AND state = 0 ORDER BY opened_at LIMIT ?1");
  return all_rows<Intent>(statement.bind(limit), intent_fields<Intent>);
}

Result<std::vector<GrantAge>> find_aged_grants(Connection& db, const AgeQuery& query) {
  auto statement = db.prepare(
      "SELECT id, type, created_at, max(last_refreshed_at, issued_at) FROM grants WHERE id > ?1 AND state <= 3 "
      "AND (max(last_refreshed_at, issued_at) < ?2 OR created_at < ?3) AND instr(?4, char(10) || type || char(10)) > 0 "
      "ORDER BY id LIMIT ?5");
  return all_rows<GrantAge>(
      statement.bind(query.after, query.refreshed_before, query.consented_before, set_of(query.types), query.limit),
      [](GrantAge& a) { return std::tie(a.id, a.type, a.consented_at, a.refreshed_at); });
}

Result<std::vector<StateCount>> count_grant_states(Connection& db) {
  auto statement = db.prepare("SELECT state, count(*) FROM grants GROUP BY state ORDER BY state");
  return all_rows<StateCount>(statement, [](StateCount& c) { return std::tie(c.state, c.count); });
}

Result<std::vector<HandoutCount>> find_handouts(Connection& db, const GrantId& grant, WallTime since) {
  auto statement = db.prepare(
      "SELECT grant_id, minute, count FROM handouts WHERE grant_id = ?1 AND minute >= ?2 ORDER BY minute");
  return all_rows<HandoutCount>(statement.bind(grant, since),
                                [](HandoutCount& h) { return std::tie(h.grant, h.minute, h.count); });
}

}  // namespace latchkey::store::sqlite
