// Events of grants, revocations on their way, tallies.
#include "store/sqlite/changes.h"
#include "store/sqlite/mutations.h"
#include "store/rows.h"

namespace latchkey::store::sqlite {

Result<void> change(Connection& db, WallTime, const NoteGrantEvent& m) {
  const auto& event = m.event;
  std::int64_t newest = 0;
  {
    auto statement = db.prepare("SELECT coalesce(max(sequence), 0) FROM grant_events WHERE grant_id = ?1");
    if (statement.bind(event.grant).row()) statement.read(newest);
    if (statement.failed()) return statement.failure();
  }
  if (m.join && newest > 0) {
    auto statement = db.prepare(
        "UPDATE grant_events SET count = count + ?3, last_at = ?4, generation = ?5, detail = ?6 "
        "WHERE grant_id = ?1 AND sequence = ?2 AND kind = ?7 AND status = ?8 AND error = ?9 AND actor = ?10");
    const auto joined = statement.bind(event.grant, newest, event.count, event.last_at, event.generation, event.detail, event.kind,
                                       event.status, event.error, event.actor).run();
    if (statement.failed()) return statement.failure();
    if (joined > 0) return {};
  }
  {
    auto statement = db.prepare(
        "INSERT INTO grant_events(sequence, " LATCHKEY_EVENT_COLUMNS ") SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 "
        "WHERE EXISTS (SELECT 1 FROM grants WHERE id = ?2)");
    statement.bind(newest + 1).bind(event_fields(event)).run();
    if (statement.failed()) return statement.failure();
  }
  auto statement = db.prepare("DELETE FROM grant_events WHERE grant_id = ?1 AND (sequence <= ?2 OR last_at < ?3)");
  statement.bind(event.grant, newest + 1 - kGrantEventsKept, event.last_at - kGrantEventsAge).run();
  return outcome_of(statement, "grant");
}

Result<void> change(Connection& db, WallTime, const PutRevocation& m) {
  auto revocation = m.revocation;
  if (revocation.version == 0) {
    revocation.version = 1;
    auto statement = db.prepare("INSERT INTO revocations(" LATCHKEY_REVOCATION_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
    statement.bind(revocation_fields(revocation)).run();
    return outcome_of(statement, "grant");
  }
  std::int64_t changed = 0;
  {
    auto statement = db.prepare(
        "UPDATE revocations SET grant_id = ?2, app = ?3, subject = ?4, record_sealed = ?5, attempts = ?6, due_at = ?7, "
        "created_at = ?8, why = ?9, version = version + 1 WHERE id = ?1 AND version = ?10");
    changed = statement.bind(revocation_fields(revocation)).run();
    if (auto done = outcome_of(statement, "grant"); !done) return done;
  }
  return expect_changed(db, changed, "SELECT version FROM revocations WHERE id = ?1", revocation.id, "revocation");
}

Result<void> change(Connection& db, WallTime, const DeleteRevocation& m) {
  auto statement = db.prepare("DELETE FROM revocations WHERE id = ?1");
  const auto changed = statement.bind(m.id).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("revocation");
  return {};
}

Result<void> change(Connection& db, WallTime, const DeleteRevocationOfSwitchedOff& m) {
  auto statement = db.prepare("DELETE FROM revocations WHERE id = ?1");
  statement.bind(entry_of_switched_off(m.grant)).run();
  if (statement.failed()) return statement.failure();
  return {};
}

Result<void> change(Connection& db, WallTime, const AddTally& m) {
  {
    auto statement = db.prepare("DELETE FROM tallies WHERE name = ?1 AND at < ?2");
    statement.bind(m.tally.name, m.tally.at - kTalliesAge).run();
    if (statement.failed()) return statement.failure();
  }
  auto statement = db.prepare(
      "INSERT INTO tallies(name, at, count) VALUES (?1, ?2, ?3) ON CONFLICT(name, at) DO UPDATE SET count = count + excluded.count");
  statement.bind(m.tally.name, m.tally.at, m.tally.count).run();
  return outcome_of(statement, "name");
}

}  // namespace latchkey::store::sqlite
