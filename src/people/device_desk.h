// Devices as administrators set them up: checked, vouched for, written to the audit trail. A secret leaves once, when it is made.
//
// Concurrency: thread-safe. Errors common to all: those of the store; corrupt/`record_altered` (the device can only be deleted).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "people/audit.h"
#include "people/device_seal.h"
#include "people/device_secret.h"
#include "store/store.h"

namespace latchkey::people {

struct NewDevice {
  std::string name;
  std::vector<std::string> connectors{};         // ids of fixed ones
  std::vector<std::string> sources{};            // addresses and networks; none: from anywhere, over TLS
  std::vector<std::string> recipient_domains{};  // that it may send mail to
  std::uint32_t uses = store::kUseDeliver | store::kUseList;
  bool enabled = true;
  SecretForm secret = SecretForm::whole;
};

// Absent members stay as they are.
struct DeviceChange {
  std::optional<std::string> name{};
  std::optional<std::vector<std::string>> connectors{};
  std::optional<std::vector<std::string>> sources{};
  std::optional<std::vector<std::string>> recipient_domains{};
  std::optional<std::uint32_t> uses{};
  std::optional<bool> enabled{};
};

struct DeviceWithSecret {
  store::Device device;
  Secret secret;
};

class DeviceDesk {
 public:
  struct Parts {
    store::Store& store;
    const DeviceSeal& seal;
    const WallClock& wall;
    Entropy& entropy;
  };
  explicit DeviceDesk(Parts parts) : parts_(parts) {}

  // Errors: invalid with `field` (`name`, `connectors`, `sources`, `recipient_domains`, `uses`); conflict/`device_name_taken`, field
  // `name`: users' names count, too.
  [[nodiscard]] Task<Result<DeviceWithSecret>> add(NewDevice wish, Actor actor);
  // Errors besides: not_found/`no_such_device`; conflict/`version` when somebody else was faster.
  [[nodiscard]] Task<Result<store::Device>> change(DeviceId id, DeviceChange change, Actor actor);
  // The one before is worth nothing from the commit on.
  [[nodiscard]] Task<Result<DeviceWithSecret>> renew_secret(DeviceId id, SecretForm form, Actor actor);
  // What it delivered stays. Errors: not_found/`no_such_device`.
  [[nodiscard]] Task<Result<void>> remove(DeviceId id, Actor actor);

 private:
  [[nodiscard]] Task<Result<store::Device>> read(DeviceId id);
  [[nodiscard]] Task<Result<void>> take(store::Device& device, DeviceChange change);
  [[nodiscard]] Task<Result<void>> check_connectors(std::vector<std::string> ids);
  [[nodiscard]] Task<Result<void>> commit(store::Device& device, Actor actor, std::string action, std::string detail);

  Parts parts_;
};

// Adds to a batch that deletes a connector that no device is left with its id, which another may get. Errors: those of the
// store; a device altered outside is left as it is.
[[nodiscard]] Task<Result<void>> add_end_of_connector(store::Store& store, const DeviceSeal& seal, store::Batch& batch,
                                                      std::string connector);

}  // namespace latchkey::people
