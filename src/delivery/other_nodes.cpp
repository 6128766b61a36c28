#include "delivery/other_nodes.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kIdBytes = sizeof(base::IdOctets);

// Ids of 16 octets, one behind the other.
std::string meta_of(NodeId node) { return "deliveries_deleted/" + node.text(); }

}  // namespace

Task<Result<std::set<NodeId>>> other_nodes(store::Store& store, NodeId self) {
  const auto nodes = co_await store.nodes();
  if (!nodes) co_return std::unexpected(nodes.error());
  std::set<NodeId> others;
  for (const auto& node : *nodes) others.insert(node.id);
  others.erase(self);
  co_return others;
}

Task<Result<void>> add_deleted_elsewhere(store::Store& store, store::Batch& batch, store::Delivery delivery) {
  const auto key = meta_of(delivery.node);
  auto known = co_await store.meta(key);
  if (!known) co_return std::unexpected(known.error());
  if (known->size() >= kDeletedElsewhereMax * kIdBytes)
    co_return fail(ErrorKind::unavailable, "document_elsewhere",
                   "Another server of this installation has the document, and has many to delete already. Start it, and try "
                   "again in a minute.",
                   {.retry_after = Seconds(60)});
  batch.emplace_back(store::CompareMeta{key, *known});
  const auto id = delivery.id.bytes();
  known->insert(known->end(), id.begin(), id.end());
  batch.emplace_back(store::PutMeta{key, std::move(*known)});
  co_return Result<void>{};
}

Task<Result<DeletedElsewhere>> deleted_elsewhere(store::Store& store, NodeId node) {
  auto known = co_await store.meta(meta_of(node));
  if (!known) co_return std::unexpected(known.error());
  DeletedElsewhere found;
  for (std::size_t at = 0; at + kIdBytes <= known->size(); at += kIdBytes) {
    if (const auto id = DeliveryId::from_bytes(ByteView(*known).subspan(at, kIdBytes))) found.deliveries.push_back(*id);
  }
  found.read_as = std::move(*known);
  co_return found;
}

Task<Result<void>> forget_deleted_elsewhere(store::Store& store, NodeId node, DeletedElsewhere done) {
  const auto key = meta_of(node);
  co_return co_await store.commit({store::CompareMeta{key, std::move(done.read_as)}, store::PutMeta{key, {}}},
                                  store::Urgency::bookkeeping);
}

}  // namespace latchkey::delivery
