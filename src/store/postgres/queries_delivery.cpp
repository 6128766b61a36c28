// What the doors, the queue and the page Deliveries ask.
#include <algorithm>

#include "store/delivery_paging.h"
#include "store/postgres/plan.h"
#include "store/postgres/queries.h"
#include "store/rows.h"

namespace latchkey::store::postgres {

// In the order of octets, whatever the database's collation is.
Result<std::vector<Connector>> find_connectors(Connection& db) {
  auto found =
      all_rows<Connector>(db, {"SELECT " LATCHKEY_CONNECTOR_COLUMNS " FROM connectors"}, connector_fields<Connector>);
  if (found) std::ranges::sort(*found, {}, &Connector::id);
  return found;
}

Result<std::optional<Connector>> find_connector(Connection& db, const std::string& id) {
  return only_row<Connector>(db, {"SELECT " LATCHKEY_CONNECTOR_COLUMNS " FROM connectors WHERE id = $1", Values(id)},
                             connector_fields<Connector>);
}

Result<std::optional<Delivery>> find_delivery(Connection& db, const DeliveryId& id) {
  return only_row<Delivery>(db, {"SELECT " LATCHKEY_DELIVERY_COLUMNS " FROM deliveries WHERE id = $1", Values(id)},
                            delivery_fields<Delivery>);
}

Result<std::optional<Delivery>> find_delivery_by_key(Connection& db, const UserId& submitter, const DeviceId& device,
                                                     const std::string& idempotency_key) {
  return only_row<Delivery>(
      db,
      {"SELECT " LATCHKEY_DELIVERY_COLUMNS
       " FROM deliveries WHERE idempotency_key = $1 AND idempotency_key <> '' AND submitter_id = $2 AND device_id = $3",
       Values(idempotency_key, submitter, device)},
      delivery_fields<Delivery>);
}

#define LATCHKEY_DELIVERY_FILTER \
  "($1 = " LATCHKEY_NOBODY " OR submitter_id = $1) AND ($2 = '' OR connector = $2) AND ($3 < 0 OR state = $3) AND " \
  "($4 = " LATCHKEY_NOBODY " OR device_id = $4)"

Result<Listing<Delivery>> list_deliveries(Connection& db, const DeliveryQuery& query) {
  const auto place = DeliveryPlace::of(query.page);
  if (!place) return std::unexpected(place.error());
  const auto submitter = query.submitter.value_or(UserId());
  const auto device = query.device.value_or(DeviceId());
  const std::int64_t state = query.state ? static_cast<std::int64_t>(*query.state) : -1;
  const Query page{"SELECT " LATCHKEY_DELIVERY_COLUMNS " FROM deliveries WHERE " LATCHKEY_DELIVERY_FILTER
                   " AND id < $5 ORDER BY id DESC LIMIT $6",
                   Values(submitter, query.connector, state, device, place->before, place->limit + 1)};
  const Query count{"SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE " LATCHKEY_DELIVERY_FILTER " LIMIT $5) AS counted",
                    Values(submitter, query.connector, state, device, kCountedAtMost)};
  auto rows = db.ask_together({page, count});
  if (!rows) return std::unexpected(rows.error());
  std::int64_t total = 0;
  if ((*rows)[1].row()) (*rows)[1].read(total);
  return page_of(all_of<Delivery>((*rows)[0], delivery_fields<Delivery>), *place, place->total.value_or(total));
}

Result<std::vector<Delivery>> find_due_deliveries(Connection& db, const NodeId& node, WallTime until, std::size_t limit) {
  return all_rows<Delivery>(db,
                            {"SELECT " LATCHKEY_DELIVERY_COLUMNS
                             " FROM deliveries WHERE node = $1 AND state <= 2 AND due_at <= $2 ORDER BY due_at, id LIMIT $3",
                             Values(node, until, limit)},
                            delivery_fields<Delivery>);
}

Result<std::vector<DeliveryStateCount>> count_delivery_states(Connection& db) {
  return all_rows<DeliveryStateCount>(
      db, {"SELECT state, count(*), CAST(sum(size_bytes) AS BIGINT) FROM deliveries GROUP BY state ORDER BY state"},
      [](DeliveryStateCount& c) { return std::tie(c.state, c.count, c.size_bytes); });
}

Result<std::vector<Delivery>> find_deliveries_after(Connection& db, const DeliveryId& after, std::size_t limit) {
  return all_rows<Delivery>(
      db, {"SELECT " LATCHKEY_DELIVERY_COLUMNS " FROM deliveries WHERE id > $1 ORDER BY id LIMIT $2", Values(after, limit)},
      delivery_fields<Delivery>);
}

}  // namespace latchkey::store::postgres
