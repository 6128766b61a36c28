// Connectors and deliveries.
#include <algorithm>
#include <map>

#include "memory_store.h"
#include "store/delivery_paging.h"
#include "store/refusals.h"

namespace latchkey::simulation {

using namespace store;

Result<void> MemoryStore::change(const PutConnector& m) {
  auto connector = m.connector;
  const auto* before = connectors_.find(connector.id);
  if (connector.version == 0) {
    if (before != nullptr) return exists("id");
  } else {
    if (before == nullptr) return gone("connector");
    if (before->version != connector.version) return other_version();
  }
  connector.version += 1;
  const auto id = connector.id;
  connectors_.put(id, std::move(connector));
  return {};
}

Result<void> MemoryStore::change(const DeleteConnector& m) {
  if (!connectors_.erase(m.id)) return gone("connector");
  return {};
}

Result<void> MemoryStore::change(const PutDelivery& m) {
  auto delivery = m.delivery;
  const auto* before = deliveries_.find(delivery.id);
  if (delivery.version == 0) {
    if (before != nullptr) return exists("id");
  } else {
    if (before == nullptr) return gone("delivery");
    if (before->version != delivery.version) return other_version();
  }
  for (const auto& [id, other] : deliveries_.rows()) {
    if (!delivery.idempotency_key.empty() && id != delivery.id && other.idempotency_key == delivery.idempotency_key &&
        other.submitter == delivery.submitter && other.device == delivery.device) {
      return exists("idempotency_key");
    }
  }
  delivery.version += 1;
  const auto id = delivery.id;
  deliveries_.put(id, std::move(delivery));
  return {};
}

Result<void> MemoryStore::change(const DeleteDelivery& m) {
  if (!deliveries_.erase(m.id)) return gone("delivery");
  return {};
}

Task<Result<std::vector<Connector>>> MemoryStore::connectors() {
  std::vector<Connector> all;
  for (const auto& [id, connector] : connectors_.rows()) all.push_back(connector);
  co_return all;
}

Task<Result<Admittance>> MemoryStore::admittance(AdmittanceQuery query) {
  Admittance found{.connector = *co_await connector(std::move(query.connector)),
                   .user = *co_await user(query.user),
                   .device = *co_await device(query.device),
                   .owner = {}};
  if (found.connector && !found.connector->delegation.id.none())
    found.owner = *co_await holding(found.connector->owner, found.connector->type);
  co_return found;
}

Task<Result<std::optional<Connector>>> MemoryStore::connector(std::string id) {
  const auto* found = connectors_.find(id);
  co_return found == nullptr ? std::nullopt : std::optional(*found);
}

Task<Result<std::optional<Delivery>>> MemoryStore::delivery(DeliveryId id) {
  const auto* found = deliveries_.find(id);
  co_return found == nullptr ? std::nullopt : std::optional(*found);
}

Task<Result<std::optional<Delivery>>> MemoryStore::delivery_by_key(UserId submitter, DeviceId device, std::string idempotency_key) {
  for (const auto& [id, delivery] : deliveries_.rows()) {
    if (!idempotency_key.empty() && delivery.idempotency_key == idempotency_key && delivery.submitter == submitter &&
        delivery.device == device) {
      co_return delivery;
    }
  }
  co_return std::nullopt;
}

Task<Result<Listing<Delivery>>> MemoryStore::deliveries(DeliveryQuery query) {
  const auto place = DeliveryPlace::of(query.page);
  if (!place) co_return std::unexpected(place.error());
  std::vector<Delivery> page;
  std::int64_t total = 0;
  for (const auto& [id, delivery] : deliveries_.rows()) {
    if (query.submitter && delivery.submitter != *query.submitter) continue;
    if (query.device && delivery.device != *query.device) continue;
    if (!query.connector.empty() && delivery.connector != query.connector) continue;
    if (query.state && delivery.state != *query.state) continue;
    ++total;
    if (id < place->before) page.push_back(delivery);
  }
  std::ranges::reverse(page);
  if (page.size() > place->limit + 1) page.resize(place->limit + 1);
  co_return page_of(std::move(page), *place, place->total.value_or(std::min(total, kCountedAtMost)));
}

Task<Result<std::vector<Delivery>>> MemoryStore::due_deliveries(NodeId node, WallTime until, std::size_t limit) {
  std::vector<Delivery> due;
  for (const auto& [id, delivery] : deliveries_.rows()) {
    if (delivery.node == node && is_in_work(delivery.state) && delivery.due_at <= until) due.push_back(delivery);
  }
  std::ranges::sort(due, {}, [](const Delivery& one) { return std::pair(one.due_at, one.id); });
  if (due.size() > limit) due.resize(limit);
  co_return due;
}

Task<Result<std::vector<DeliveryStateCount>>> MemoryStore::delivery_states() {
  std::map<DeliveryState, DeliveryStateCount> counts;
  for (const auto& [id, delivery] : deliveries_.rows()) {
    auto& counted = counts[delivery.state];
    counted.state = delivery.state;
    counted.count += 1;
    counted.size_bytes += delivery.size_bytes;
  }
  std::vector<DeliveryStateCount> all;
  for (const auto& [state, counted] : counts) all.push_back(counted);
  co_return all;
}

Task<Result<std::vector<Delivery>>> MemoryStore::deliveries_after(DeliveryId after, std::size_t limit) {
  std::vector<Delivery> page;
  const auto& rows = deliveries_.rows();
  for (auto at = rows.upper_bound(after); at != rows.end() && page.size() < limit; ++at) page.push_back(at->second);
  co_return page;
}

}  // namespace latchkey::simulation
