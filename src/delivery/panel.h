// What a device's panel, or a program, is shown of a destination before anything is sent there: its folders, its contacts,
// whatever the connector lists.
//
// Concurrency: on the engine's executor, but for list().
#pragma once

#include <string>
#include <vector>

#include "delivery/destination.h"
#include "delivery/reception.h"

namespace latchkey::delivery {

class Panel {
 public:
  struct Parts {
    Reception& reception;
    Destinations& destinations;
    grants::Delegations& delegations;
    Executor engine;
  };
  explicit Panel(Parts parts) : parts_(std::move(parts)) {}

  struct Question {
    std::string connector;
    std::string kind;    // "folder", "file", ... as the connector has it
    std::string filter;  // in the name, without case; empty: all
  };
  // `submitter` has been admitted for the use `list`. Any executor. Errors: those of Reception::look(); of
  // Destinations::find(); invalid/`unknown_kind` with field `kind`; those of the destination, by kind.
  [[nodiscard]] Task<Result<std::vector<connectors::ListItem>>> list(Submitter submitter, Question question);

 private:
  [[nodiscard]] Task<Result<std::vector<connectors::ListItem>>> ask(OpenedConnector opened, Question question);

  Parts parts_;
};

}  // namespace latchkey::delivery
