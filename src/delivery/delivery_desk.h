// What a person may do with a delivery: try it again, send it elsewhere, have its document, or delete both. What lies at
// another server of the installation is changed in its record, which that one looks at every minute.
//
// Concurrency: on the queue's executor.
#pragma once

#include "delivery/destination.h"
#include "delivery/queue.h"
#include "delivery/reception.h"
#include "people/audit.h"

namespace latchkey::delivery {

class DeliveryDesk {
 public:
  virtual ~DeliveryDesk() = default;
  // Due at once, whatever stood in the way. What may not use its account any more (another was authorised instead) goes by
  // its connector's standing delegation. Errors: not_found/`no_such_delivery`; conflict/`delivered`, `being_sent`, and where
  // nothing opens the account `pin_needed`, `not_for_mail`; needs_person/`delegation_ended`; not_found/`no_such_grant`;
  // corrupt/`record_altered`; those of the store.
  [[nodiscard]] virtual Task<Result<store::Delivery>> retry(DeliveryId id, people::Actor actor) = 0;
  // To another connector that is for whoever submitted it, by the grant the delivery has already where the connector
  // delivers to the same account and the delivery may still use it, else by the connector's standing delegation. What is
  // left is an account that only the submitter's PIN opens. Errors besides those of retry(): invalid with field `connector`;
  // conflict/`not_for_submitter`, `not_for_mail`, `pin_needed`; needs_person/`delegation_ended`; corrupt/`record_altered`.
  [[nodiscard]] virtual Task<Result<store::Delivery>> reroute(DeliveryId id, std::string connector, people::Actor actor) = 0;
  // The record, the document and its delegation go; a document at another server within a minute, or when that one starts.
  // Errors: not_found/`no_such_delivery`; conflict/`being_sent`; unavailable/`document_elsewhere`; those of the store.
  [[nodiscard]] virtual Task<Result<void>> remove(DeliveryId id, people::Actor actor) = 0;

  struct Document {
    store::Delivery delivery;
    std::unique_ptr<OutgoingDocument> octets;
  };
  // The document while it is here; the audit trail says who had it. Errors: not_found/`no_such_delivery`, `document_gone`
  // (it has been delivered, or another server has it), `document_missing`; corrupt/`document_damaged`, `record_altered`;
  // unavailable/`too_many_downloads`, `too_many_downloads_of_one`; those of the store.
  [[nodiscard]] virtual Task<Result<Document>> document(DeliveryId id, people::Actor actor) = 0;
};

class DeliveryDeskOfQueue final : public DeliveryDesk {
 public:
  struct Parts {
    store::Store& store;
    Spool& spool;
    Queue& queue;
    Reception& reception;
    grants::Delegations& delegations;
    grants::StandingDelegations& standing;
    const Destinations& destinations;
    const grants::Sealing& sealing;
    const WallClock& wall;
    NodeId node;
  };
  explicit DeliveryDeskOfQueue(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] Task<Result<store::Delivery>> retry(DeliveryId id, people::Actor actor) override;
  [[nodiscard]] Task<Result<store::Delivery>> reroute(DeliveryId id, std::string connector, people::Actor actor) override;
  [[nodiscard]] Task<Result<void>> remove(DeliveryId id, people::Actor actor) override;
  [[nodiscard]] Task<Result<Document>> document(DeliveryId id, people::Actor actor) override;

 private:
  [[nodiscard]] Task<Result<store::Delivery>> at_rest(DeliveryId id);
  // The name of whoever submitted it, if the connector is for them.
  [[nodiscard]] Task<Result<std::string>> submitter_for(store::Delivery delivery, store::Connector connector);
  // Whether it may use its grant still.
  [[nodiscard]] Task<Result<bool>> opens_its_grant(store::Delivery delivery);
  // Lets the delivery use the connector's account; what must be committed with it goes into the batch. Whether that is by
  // another delegation than it came with.
  [[nodiscard]] Task<Result<bool>> open_account(store::Delivery& delivery, store::Connector connector, store::Batch& batch);
  [[nodiscard]] bool carries_mail(const store::Connector& connector) const;
  // Written, offered to the queue, and noted in the audit trail as `action`.
  [[nodiscard]] Task<Result<store::Delivery>> commit_due(store::Delivery delivery, store::Batch batch, people::Actor actor,
                                                         std::string action);

  Parts parts_;
};

}  // namespace latchkey::delivery
