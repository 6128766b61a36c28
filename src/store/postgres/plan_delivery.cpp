// Connectors and deliveries.
#include "store/postgres/expectation.h"
#include "store/postgres/plan.h"
#include "store/rows.h"

namespace latchkey::store::postgres {

void add(Plan& plan, std::optional<WallTime>, const PutConnector& m) {
  auto connector = m.connector;
  if (connector.version == 0) {
    connector.version = 1;
    constexpr std::string_view kInsert = "INSERT INTO connectors(" LATCHKEY_CONNECTOR_COLUMNS
                                         ") VALUES ("
                                         "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19"
                                         ")";
    plan.writes.push_back({{kInsert, Values().add(connector_fields(connector))}});
    return;
  }
  constexpr std::string_view kUpdate = LATCHKEY_EXPECT_VERSION(
      "UPDATE connectors SET "
      "name = $2, type = $3, account = $4, owner_id = $5, group_ids = $6, target_json = $7, naming = $8, "
      "conflict_rule = $9, size_bytes_max = $10, enabled = $11, delegation_id = $12, "
      "delegation_grant = $13, delegation_public_key = $14, delegation_key_sealed = $15, delegated_at = $16, "
      "created_at = $17, mac = $18, version = version + 1"
      " WHERE id = $1 AND version = $19 RETURNING 1",
      "SELECT 1 FROM connectors WHERE id = $1", "connector");
  plan.writes.push_back({{kUpdate, Values().add(connector_fields(connector))}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteConnector& m) {
  constexpr std::string_view kSql = LATCHKEY_EXPECT_GONE("DELETE FROM connectors WHERE id = $1 RETURNING 1", "connector");
  plan.writes.push_back({{kSql, Values(m.id)}});
}

void add(Plan& plan, std::optional<WallTime>, const PutDelivery& m) {
  auto delivery = m.delivery;
  if (delivery.version == 0) {
    delivery.version = 1;
    constexpr std::string_view kInsert =
        "INSERT INTO deliveries(" LATCHKEY_DELIVERY_COLUMNS
        ") VALUES ("
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, "
        "$24, $25, $26, $27, $28"
        ")";
    plan.writes.push_back({{kInsert, Values().add(delivery_fields(delivery))}});
    return;
  }
  constexpr std::string_view kUpdate = LATCHKEY_EXPECT_VERSION(
      "UPDATE deliveries SET "
      "connector = $2, submitter_id = $3, grant_id = $4, node = $5, state = $6, name = $7, content_type = $8, "
      "size_bytes = $9, sha256 = $10, document_key_sealed = $11, public_key = $12, private_key_sealed = $13, "
      "tries = $14, due_at = $15, resume_point = $16, sent_bytes = $17, why = $18, receipt_json = $19, "
      "timeline_json = $20, source = $21, device_id = $22, fields_json = $23, idempotency_key = $24, "
      "created_at = $25, finished_at = $26, mac = $27, version = version + 1"
      " WHERE id = $1 AND version = $28 RETURNING 1",
      "SELECT 1 FROM deliveries WHERE id = $1", "delivery");
  plan.writes.push_back({{kUpdate, Values().add(delivery_fields(delivery))}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteDelivery& m) {
  constexpr std::string_view kSql = LATCHKEY_EXPECT_GONE("DELETE FROM deliveries WHERE id = $1 RETURNING 1", "delivery");
  plan.writes.push_back({{kSql, Values(m.id)}});
}

}  // namespace latchkey::store::postgres
