// The practice mailbox (src/sandbox/practice_mailbox.h), over HTTP like any other service. A message goes in one piece;
// idempotent by key.
#pragma once

#include "connectors/api_call.h"

namespace latchkey::connectors {

class PracticeMailbox final : public Connector {
 public:
  explicit PracticeMailbox(net::HttpTransport& transport) : transport_(transport) {}

  [[nodiscard]] Abilities abilities() const override;
  // The document is the message, `fields_json` its envelope. Errors besides those of the contract: invalid/`no_envelope`.
  [[nodiscard]] Task<Result<Receipt>> store(StoreOrder order) override;
  // Kinds: `message`.
  [[nodiscard]] Task<Result<std::vector<ListItem>>> list(ListQuestion question) override;

 private:
  net::HttpTransport& transport_;
};

}  // namespace latchkey::connectors
