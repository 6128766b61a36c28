// Deliveries of other nodes of the installation: the document lies in the spool of the node that took it in, the record
// where all of them see it.
#pragma once

#include <set>
#include <vector>

#include "store/store.h"

namespace latchkey::delivery {

// Those that the store knows, running or not; who has been declared lost is none of them. Errors: those of the store.
[[nodiscard]] Task<Result<std::set<NodeId>>> other_nodes(store::Store& store, NodeId self);

inline constexpr std::size_t kDeletedElsewhereMax = 4096;

// Makes known to the node that has the document that its record is deleted by this batch: it removes the file then, which
// would else be a document that nobody knows. A commit refuses with conflict/`meta` where another was faster. Errors:
// unavailable/`document_elsewhere` while so many wait for that node; those of the store.
[[nodiscard]] Task<Result<void>> add_deleted_elsewhere(store::Store& store, store::Batch& batch, store::Delivery delivery);

// What others have deleted of that node's.
struct DeletedElsewhere {
  std::vector<DeliveryId> deliveries;
  Bytes read_as;
};
[[nodiscard]] Task<Result<DeletedElsewhere>> deleted_elsewhere(store::Store& store, NodeId node);
// All of it is done. Errors: conflict/`meta`: more has come since; those of the store.
[[nodiscard]] Task<Result<void>> forget_deleted_elsewhere(store::Store& store, NodeId node, DeletedElsewhere done);

}  // namespace latchkey::delivery
