// Connectors and deliveries.
#include "store/rows.h"
#include "store/sqlite/changes.h"
#include "store/sqlite/mutations.h"

namespace latchkey::store::sqlite {

Result<void> change(Connection& db, WallTime, const PutConnector& m) {
  auto connector = m.connector;
  if (connector.version == 0) {
    connector.version = 1;
    auto statement = db.prepare("INSERT INTO connectors(" LATCHKEY_CONNECTOR_COLUMNS
                                ") VALUES ("
                                "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15"
                                ")");
    statement.bind(connector_fields(connector)).run();
    return outcome_of(statement, "connector");
  }
  std::int64_t changed = 0;
  {
    auto statement = db.prepare(
        "UPDATE connectors SET "
        "name = ?2, type = ?3, account = ?4, owner_id = ?5, group_ids = ?6, devices = ?7, target_json = ?8, naming = ?9, "
        "conflict_rule = ?10, size_bytes_max = ?11, enabled = ?12, created_at = ?13, mac = ?14, version = version + 1"
        " WHERE id = ?1 AND version = ?15");
    changed = statement.bind(connector_fields(connector)).run();
    if (auto done = outcome_of(statement, "connector"); !done) return done;
  }
  return expect_changed(db, changed, "SELECT version FROM connectors WHERE id = ?1", connector.id, "connector");
}

Result<void> change(Connection& db, WallTime, const DeleteConnector& m) {
  auto statement = db.prepare("DELETE FROM connectors WHERE id = ?1");
  const auto changed = statement.bind(m.id).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("connector");
  return {};
}

Result<void> change(Connection& db, WallTime, const PutDelivery& m) {
  auto delivery = m.delivery;
  if (delivery.version == 0) {
    delivery.version = 1;
    auto statement = db.prepare(
        "INSERT INTO deliveries(" LATCHKEY_DELIVERY_COLUMNS
        ") VALUES ("
        "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, "
        "?24, ?25"
        ")");
    statement.bind(delivery_fields(delivery)).run();
    return outcome_of(statement, "delivery");
  }
  std::int64_t changed = 0;
  {
    auto statement = db.prepare(
        "UPDATE deliveries SET "
        "connector = ?2, submitter_id = ?3, grant_id = ?4, node = ?5, state = ?6, name = ?7, content_type = ?8, "
        "size_bytes = ?9, sha256 = ?10, document_key_sealed = ?11, public_key = ?12, private_key_sealed = ?13, "
        "tries = ?14, due_at = ?15, resume_point = ?16, sent_bytes = ?17, why = ?18, receipt_json = ?19, "
        "timeline_json = ?20, source = ?21, created_at = ?22, finished_at = ?23, mac = ?24, version = version + 1"
        " WHERE id = ?1 AND version = ?25");
    changed = statement.bind(delivery_fields(delivery)).run();
    if (auto done = outcome_of(statement, "delivery"); !done) return done;
  }
  return expect_changed(db, changed, "SELECT version FROM deliveries WHERE id = ?1", delivery.id, "delivery");
}

Result<void> change(Connection& db, WallTime, const DeleteDelivery& m) {
  auto statement = db.prepare("DELETE FROM deliveries WHERE id = ?1");
  const auto changed = statement.bind(m.id).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("delivery");
  return {};
}

}  // namespace latchkey::store::sqlite
