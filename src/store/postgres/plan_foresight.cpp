// Events of grants, revocations on their way, tallies.
#include "store/postgres/expectation.h"
#include "store/postgres/plan.h"
#include "store/rows.h"

namespace latchkey::store::postgres {

// The events of a grant are numbered under the lock of its row, so that two nodes never take the same number.
void add(Plan& plan, std::optional<WallTime>, const NoteGrantEvent& m) {
  const auto& e = m.event;
#define LATCHKEY_NEWEST "(SELECT max(sequence) FROM grant_events WHERE grant_id = $1)"
  plan.writes.push_back({{"SELECT 1 FROM grants WHERE id = $1 FOR UPDATE", Values(e.grant)}});
  if (m.join) {
    constexpr std::string_view kJoin =
        "UPDATE grant_events SET count = count + $2, last_at = $3, generation = $4, detail = $5 WHERE grant_id = $1 AND sequence = " LATCHKEY_NEWEST
        " AND kind = $6 AND status = $7 AND error = $8 AND actor = $9";
    plan.writes.push_back({{kJoin, Values(e.grant, e.count, e.last_at, e.generation, e.detail, e.kind, e.status, e.error, e.actor)}});
  }
  // What could join has joined by now.
  constexpr std::string_view kInsert =
      "INSERT INTO grant_events(sequence, " LATCHKEY_EVENT_COLUMNS ") SELECT coalesce(" LATCHKEY_NEWEST
      ", 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 WHERE EXISTS (SELECT 1 FROM grants WHERE id = $1) AND ($11 = 0 OR NOT EXISTS "
      "(SELECT 1 FROM grant_events WHERE grant_id = $1 AND sequence = " LATCHKEY_NEWEST
      " AND kind = $4 AND status = $7 AND error = $8 AND actor = $10))";
  plan.writes.push_back({{kInsert, Values().add(event_fields(e)).add(std::int64_t{m.join ? 1 : 0})}, Reference::grant_gone});
  constexpr std::string_view kTidy =
      "DELETE FROM grant_events WHERE grant_id = $1 AND (sequence <= " LATCHKEY_NEWEST " - $2 OR last_at < $3)";
  plan.writes.push_back({{kTidy, Values(e.grant, kGrantEventsKept, e.last_at - kGrantEventsAge)}});
#undef LATCHKEY_NEWEST
}

void add(Plan& plan, std::optional<WallTime>, const PutRevocation& m) {
  auto revocation = m.revocation;
  if (revocation.version == 0) {
    revocation.version = 1;
    constexpr std::string_view kInsert =
        "INSERT INTO revocations(" LATCHKEY_REVOCATION_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    plan.writes.push_back({{kInsert, Values().add(revocation_fields(revocation))}});
    return;
  }
  constexpr std::string_view kUpdate = LATCHKEY_EXPECT_VERSION(
      "UPDATE revocations SET grant_id = $2, app = $3, subject = $4, record_sealed = $5, attempts = $6, due_at = $7, created_at = $8, "
      "why = $9, version = version + 1 WHERE id = $1 AND version = $10 RETURNING 1",
      "SELECT 1 FROM revocations WHERE id = $1", "revocation");
  plan.writes.push_back({{kUpdate, Values().add(revocation_fields(revocation))}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteRevocation& m) {
  constexpr std::string_view kSql = LATCHKEY_EXPECT_GONE("DELETE FROM revocations WHERE id = $1 RETURNING 1", "revocation");
  plan.writes.push_back({{kSql, Values(m.id)}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteRevocationOfSwitchedOff& m) {
  plan.writes.push_back({{"DELETE FROM revocations WHERE id = $1", Values(entry_of_switched_off(m.grant))}});
}

void add(Plan& plan, std::optional<WallTime>, const AddTally& m) {
  plan.writes.push_back({{"DELETE FROM tallies WHERE name = $1 AND at < $2", Values(m.tally.name, m.tally.at - kTalliesAge)}});
  constexpr std::string_view kSql =
      "INSERT INTO tallies(name, at, count) VALUES ($1, $2, $3) ON CONFLICT(name, at) DO UPDATE SET count = tallies.count + excluded.count";
  plan.writes.push_back({{kSql, Values(m.tally.name, m.tally.at, m.tally.count)}});
}

}  // namespace latchkey::store::postgres
