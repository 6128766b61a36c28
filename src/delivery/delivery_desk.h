// What a person may do with a delivery: try it again, or delete it with its document.
//
// Concurrency: on the queue's executor.
#pragma once

#include "delivery/queue.h"
#include "people/audit.h"

namespace latchkey::delivery {

class DeliveryDesk {
 public:
  virtual ~DeliveryDesk() = default;
  // Due at once, whatever stood in the way. Errors: not_found/`no_such_delivery`; conflict/`delivered`, `being_sent`; those of the store.
  [[nodiscard]] virtual Task<Result<store::Delivery>> retry(DeliveryId id, people::Actor actor) = 0;
  // The record, the document and its delegation go. Errors: not_found/`no_such_delivery`; conflict/`being_sent`; those of the store.
  [[nodiscard]] virtual Task<Result<void>> remove(DeliveryId id, people::Actor actor) = 0;
};

class DeliveryDeskOfQueue final : public DeliveryDesk {
 public:
  struct Parts {
    store::Store& store;
    Spool& spool;
    Queue& queue;
    const WallClock& wall;
  };
  explicit DeliveryDeskOfQueue(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] Task<Result<store::Delivery>> retry(DeliveryId id, people::Actor actor) override;
  [[nodiscard]] Task<Result<void>> remove(DeliveryId id, people::Actor actor) override;

 private:
  [[nodiscard]] Task<Result<store::Delivery>> at_rest(DeliveryId id);

  Parts parts_;
};

}  // namespace latchkey::delivery
