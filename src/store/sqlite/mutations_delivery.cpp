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
                                "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19"
                                ")");
    statement.bind(connector_fields(connector)).run();
    return outcome_of(statement, "connector");
  }
  std::int64_t changed = 0;
  {
    auto statement = db.prepare(
        "UPDATE connectors SET "
        "name = ?2, type = ?3, account = ?4, owner_id = ?5, group_ids = ?6, target_json = ?7, naming = ?8, "
        "conflict_rule = ?9, size_bytes_max = ?10, enabled = ?11, delegation_id = ?12, "
        "delegation_grant = ?13, delegation_public_key = ?14, delegation_key_sealed = ?15, delegated_at = ?16, "
        "created_at = ?17, mac = ?18, version = version + 1"
        " WHERE id = ?1 AND version = ?19");
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
        "?24, ?25, ?26, ?27, ?28"
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
        "timeline_json = ?20, source = ?21, device_id = ?22, fields_json = ?23, idempotency_key = ?24, "
        "created_at = ?25, finished_at = ?26, mac = ?27, version = version + 1"
        " WHERE id = ?1 AND version = ?28");
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
