// What the doors, the queue and the page Deliveries ask.
#include "store/delivery_paging.h"
#include "store/rows.h"
#include "store/sqlite/queries.h"

namespace latchkey::store::sqlite {

Result<std::vector<Connector>> find_connectors(Connection& db) {
  auto statement = db.prepare("SELECT " LATCHKEY_CONNECTOR_COLUMNS " FROM connectors ORDER BY id");
  return all_rows<Connector>(statement, connector_fields<Connector>);
}

Result<std::optional<Connector>> find_connector(Connection& db, const std::string& id) {
  auto statement = db.prepare("SELECT " LATCHKEY_CONNECTOR_COLUMNS " FROM connectors WHERE id = ?1");
  return only_row<Connector>(statement.bind(id), connector_fields<Connector>);
}

Result<std::optional<Delivery>> find_delivery(Connection& db, const DeliveryId& id) {
  auto statement = db.prepare("SELECT " LATCHKEY_DELIVERY_COLUMNS " FROM deliveries WHERE id = ?1");
  return only_row<Delivery>(statement.bind(id), delivery_fields<Delivery>);
}

Result<std::optional<Delivery>> find_delivery_by_key(Connection& db, const UserId& submitter, const DeviceId& device,
                                                     const std::string& idempotency_key) {
  auto statement = db.prepare("SELECT " LATCHKEY_DELIVERY_COLUMNS
                              " FROM deliveries WHERE idempotency_key = ?1 AND idempotency_key <> '' AND submitter_id = ?2 AND device_id = ?3");
  return only_row<Delivery>(statement.bind(idempotency_key, submitter, device), delivery_fields<Delivery>);
}

#define LATCHKEY_DELIVERY_FILTER \
  "(?1 = x'' OR submitter_id = ?1) AND (?2 = '' OR connector = ?2) AND (?3 < 0 OR state = ?3) AND (?4 = x'' OR device_id = ?4)"

Result<Listing<Delivery>> list_deliveries(Connection& db, const DeliveryQuery& query) {
  const auto place = DeliveryPlace::of(query.page);
  if (!place) return std::unexpected(place.error());
  const auto submitter = query.submitter ? query.submitter->bytes() : ByteView();
  const auto device = query.device ? query.device->bytes() : ByteView();
  const std::int64_t state = query.state ? static_cast<std::int64_t>(*query.state) : -1;
  const Snapshot snapshot(db);
  Result<std::vector<Delivery>> rows;
  {
    auto statement = db.prepare("SELECT " LATCHKEY_DELIVERY_COLUMNS " FROM deliveries WHERE " LATCHKEY_DELIVERY_FILTER
                                " AND id < ?5 ORDER BY id DESC LIMIT ?6");
    statement.bind(submitter, query.connector, state, device, place->before, place->limit + 1);
    rows = all_rows<Delivery>(statement, delivery_fields<Delivery>);
    if (!rows) return std::unexpected(rows.error());
  }
  auto total = place->total;
  if (!total) {
    auto count = db.prepare("SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE " LATCHKEY_DELIVERY_FILTER " LIMIT ?5)");
    if (count.bind(submitter, query.connector, state, device, kCountedAtMost).row()) count.read(total.emplace());
    if (count.failed()) return count.failure();
  }
  return page_of(std::move(*rows), *place, total.value_or(0));
}

Result<std::vector<Delivery>> find_due_deliveries(Connection& db, const NodeId& node, WallTime until, std::size_t limit) {
  auto statement =
      db.prepare("SELECT " LATCHKEY_DELIVERY_COLUMNS
                 " FROM deliveries WHERE node = ?1 AND state <= 2 AND due_at <= ?2 ORDER BY due_at, id LIMIT ?3");
  return all_rows<Delivery>(statement.bind(node, until, limit), delivery_fields<Delivery>);
}

Result<std::vector<DeliveryStateCount>> count_delivery_states(Connection& db) {
  auto statement = db.prepare("SELECT state, count(*), sum(size_bytes) FROM deliveries GROUP BY state ORDER BY state");
  return all_rows<DeliveryStateCount>(statement,
                                      [](DeliveryStateCount& c) { return std::tie(c.state, c.count, c.size_bytes); });
}

Result<std::vector<Delivery>> find_deliveries_after(Connection& db, const DeliveryId& after, std::size_t limit) {
  auto statement = db.prepare("SELECT " LATCHKEY_DELIVERY_COLUMNS " FROM deliveries WHERE id > ?1 ORDER BY id LIMIT ?2");
  return all_rows<Delivery>(statement.bind(after, limit), delivery_fields<Delivery>);
}

}  // namespace latchkey::store::sqlite
