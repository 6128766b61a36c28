// Connectors as administrators configure them: checked, vouched for, written to the audit trail.
//
// Concurrency: thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/registry.h"
#include "delivery/connector_address.h"
#include "grants/provider_client.h"
#include "grants/sealing.h"
#include "people/audit.h"
#include "store/store.h"

namespace latchkey::delivery {

// What a form or the command line says of a connector. `id` names it and never changes.
struct ConnectorWish {
  std::string id;
  std::string name;
  std::string type;
  store::AccountKind account = store::AccountKind::caller;
  std::string owner;                // fixed: the username of the OAuth user
  std::vector<std::string> groups;  // ids
  std::string folder;               // of the target; templates allowed
  std::string url;                  // of the target, where the type asks for it
  std::string app;                  // with `url`: whose accounts' tokens may go there
  std::string naming = "{name}";
  store::ConflictRule conflict = store::ConflictRule::rename;
  std::int64_t size_bytes_max = 0;
  bool enabled = true;
};

class ConnectorDesk {
 public:
  struct Parts {
    store::Store& store;
    const grants::Sealing& sealing;
    const catalog::Catalog& catalog;
    const connectors::Connectors& connectors;
    const WallClock& wall;
  };
  explicit ConnectorDesk(Parts parts) : parts_(std::move(parts)) {}

  // Errors: invalid with `field` (`id`, `name`, `type`, `owner`, `groups`, `folder`, `url`, `app`, `naming`, `size_bytes_max`), those of
  // the store.
  [[nodiscard]] Task<Result<store::Connector>> add(ConnectorWish wish, people::Actor actor);
  // Errors besides: not_found/`no_such_connector`; conflict/`version` when somebody else was faster.
  [[nodiscard]] Task<Result<store::Connector>> change(ConnectorWish wish, people::Actor actor);
  // Documents on their way to it fail, and may be sent again. Errors: not_found/`no_such_connector`, those of the store.
  [[nodiscard]] Task<Result<void>> remove(std::string id, people::Actor actor);

  // The types something can be delivered to in this version.
  [[nodiscard]] std::vector<std::string> types() const;
  // Those of them that need `url` and `app`.
  [[nodiscard]] std::vector<std::string> types_asking_url() const;

 private:
  [[nodiscard]] Task<Result<std::optional<ConnectorAddress>>> checked_address(ConnectorWish wish);
  [[nodiscard]] Task<Result<store::Connector>> made_from(ConnectorWish wish, store::Connector connector);
  [[nodiscard]] Task<Result<void>> commit(store::Connector connector, people::Actor actor, std::string action);

  Parts parts_;
};

// The folder of a connector's target, as typed.
[[nodiscard]] std::string folder_of(const store::Connector& connector);

}  // namespace latchkey::delivery
