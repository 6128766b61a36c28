// What a restore does to deliveries (RULES F10): documents may have been sent since the store was as it is now.
//
// Each one in work becomes one whose sending nobody saw the end of (`sending`): the next start sends it where its connector
// is idempotent, and makes it `maybe_sent` where it is not. One whose document did not come back had left the server:
// delivered, or deleted.
#pragma once

#include <functional>
#include <optional>

#include "store/store.h"

namespace latchkey::delivery {

struct RestoredFacts {
  WallTime backup_at;
  WallTime now;
  bool nothing_ran_since = false;  // then what has its document goes on as it was
  std::optional<NodeId> node{};    // whose spool is known; nullopt: there is no other
  std::function<bool(DeliveryId)> has_document;
};

struct RestoredDeliveries {
  std::int64_t in_doubt = 0;  // may have been sent since
  std::int64_t without_document = 0;
};

// Of a store that nobody else works on. Again for another node: what is marked stays as it is. Errors: those of the store.
[[nodiscard]] Task<Result<RestoredDeliveries>> mark_restored_deliveries(store::Store& store, RestoredFacts facts);

}  // namespace latchkey::delivery
