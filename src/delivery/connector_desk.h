// Connectors as administrators configure them: checked, vouched for, written to the audit trail; and what a fixed one may
// open while nobody shows a PIN (docs/design/devices.md).
//
// Concurrency: thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/registry.h"
#include "delivery/account_access.h"
#include "delivery/connector_address.h"
#include "grants/sealing.h"
#include "people/audit.h"
#include "people/device_seal.h"
#include "store/store.h"

namespace latchkey::delivery {

// What a form or the command line says of a connector. `id` names it and never changes.
struct ConnectorWish {
  std::string id;
  std::string name;
  std::string type;
  store::AccountKind account = store::AccountKind::caller;
  std::string owner;                      // fixed: the username of the OAuth user
  std::optional<OwnersPin> owners_pin{};  // fixed: makes the standing delegation, after a real call
  std::vector<std::string> groups;        // ids
  std::string folder;                     // of the target; templates allowed
  std::string url;                        // of the target, where the type asks for it
  std::string app;                        // with `url`: whose accounts' tokens may go there
  std::vector<std::string> aliases;       // of a mail connector: addresses besides the account's own that its mail may bear
  std::string naming = "{name}";
  store::ConflictRule conflict = store::ConflictRule::rename;
  std::int64_t size_bytes_max = 0;
  std::vector<std::string> content_types;  // of documents that it takes (document_types.h); none: all
  bool enabled = true;
};

class ConnectorDesk {
 public:
  struct Parts {
    store::Store& store;
    const grants::Sealing& sealing;
    const catalog::Catalog& catalog;
    const connectors::Connectors& connectors;
    const people::DeviceSeal& device_seal;
    AccountAccess& access;
    const WallClock& wall;
  };
  explicit ConnectorDesk(Parts parts) : parts_(std::move(parts)) {}

  // Errors: invalid with `field` (`id`, `name`, `type`, `owner`, `owner_pin`, `groups`, `folder`, `url`, `app`, `aliases`,
  // `naming`, `size_bytes_max`, `content_types`), what the service said to the real call, those of the store.
  [[nodiscard]] Task<Result<store::Connector>> add(ConnectorWish wish, people::Actor actor);
  // A standing delegation stays unless account, owner or type become others, or a PIN makes a new one. Errors besides:
  // not_found/`no_such_connector`; conflict/`version` when somebody else was faster.
  [[nodiscard]] Task<Result<store::Connector>> change(ConnectorWish wish, people::Actor actor);
  // Documents on their way to it fail, and may be sent again. Errors: not_found/`no_such_connector`, those of the store.
  [[nodiscard]] Task<Result<void>> remove(std::string id, people::Actor actor);

  // A real call with what the connector may open, or with its owner's PIN. Errors: not_found/`no_such_connector`; invalid,
  // field `owner_pin`, where neither is there; what the service said.
  [[nodiscard]] Task<Result<void>> try_account(std::string id, std::optional<OwnersPin> pin, people::Actor actor);

  // From the commit on only its owner delivers by it, with the PIN. `owner`: only where it is that user's; none: whoever's.
  // Errors: not_found/`no_such_delegation`, those of the store.
  [[nodiscard]] Task<Result<void>> end_delegation(std::string id, UserId owner, people::Actor actor);
  // Whether what the record says still opens. Errors: those of the store.
  [[nodiscard]] Task<Result<bool>> delegation_lives(store::Connector connector);
  // Those that may open this user's grants. Errors: those of the store.
  [[nodiscard]] Task<Result<std::vector<store::Connector>>> delegated_by(UserId owner);

  // The types something can be delivered to in this version.
  [[nodiscard]] std::vector<std::string> types() const;
  // Those of them that need `url` and `app`.
  [[nodiscard]] std::vector<std::string> types_asking_url() const;

 private:
  [[nodiscard]] Task<Result<std::optional<ConnectorAddress>>> checked_address(std::string type_id, std::string url,
                                                                              std::string app_id);
  [[nodiscard]] Task<Result<store::Connector>> made_from(ConnectorWish wish, store::Connector connector);
  // What becomes of the delegation: adds to the batch, and to the connector.
  [[nodiscard]] Task<Result<void>> settle_delegation(store::Batch& batch, store::Connector& connector,
                                                     store::Connector before, std::optional<OwnersPin> pin,
                                                     people::Actor actor);
  [[nodiscard]] Task<Result<store::Connector>> commit(store::Batch batch, store::Connector connector, people::Actor actor,
                                                      std::string action);

  Parts parts_;
};

// The folder of a connector's target, as typed.
[[nodiscard]] std::string folder_of(const store::Connector& connector);

}  // namespace latchkey::delivery
