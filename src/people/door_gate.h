// One gate for all doors: people with their PIN (PinGate) and devices with a secret of their own (RULES T2, T5, T7, T8).
//
// Invariants: whatever is not right about a device (secret, address, switched off) is answered by the PIN gate as for an
// unknown user: same words, same time, same charge. A right secret is never made to wait: what is not guessed need not be
// throttled. A device never has the use `token`.
// Concurrency: thread-safe; tasks run on the caller's executor.
#pragma once

#include <optional>
#include <string>

#include "base/log.h"
#include "people/device_seal.h"
#include "people/pin_gate.h"
#include "people/principal.h"
#include "store/store.h"

namespace latchkey::people {

class DoorGate {
 public:
  struct Parts {
    PinGate& pins;
    UserCards& cards;
    store::Store& store;
    const DeviceSeal& seal;
    const WallClock& wall;
    Log& log;
  };
  explicit DoorGate(Parts parts) : parts_(parts) {}

  // `attempt.pin` is a PIN or a device's secret. In clear (and over TLS 1.0 and 1.1, which doors report as clear) devices alone
  // are admitted, and only from addresses they name. Errors as PinGate::admit(); refused/`use_not_allowed` also for a device.
  [[nodiscard]] Task<Result<Principal>> admit(Attempt attempt);

  // Whether who was admitted (with whatever uses) has all of `uses` now: for doors that learn only afterwards what is asked
  // for. `who` outlives the call. Errors: refused/`use_not_allowed`; refused/`invalid_credentials` of who may not come in any
  // more (P4); those of the store.
  [[nodiscard]] Task<Result<void>> check_uses(const Principal& who, std::uint32_t uses);

  // For a listener without authentication: the device whose allowed sources are this one address alone, and which has all of
  // `uses` (store::Use bits). Errors: not_found/`no_such_device` (none, or several); refused/`use_not_allowed`; those of the store.
  [[nodiscard]] Task<Result<AdmittedDevice>> recognise(std::string address, std::uint32_t uses = store::kUseDeliver);

  // The device that a conversation was with, for the device's page alone, where nobody was let in: the one whose name was
  // shown, else the one that has this address alone. nullopt: neither, or the store does not say.
  [[nodiscard]] Task<std::optional<DeviceId>> supposed(std::string name, std::string address);

  // What went wrong for a device after it had been let in, in words for its page: kept as its last error. At most one a
  // minute is written; never fails its caller.
  [[nodiscard]] Task<void> note_error(DeviceId device, std::string words);

 private:
  [[nodiscard]] Task<Result<AdmittedDevice>> let_in(store::Device device, std::string address, std::uint32_t uses);
  // The reason why a device named so is not let in; empty: it is. For its page; who asks is told nothing of it.
  [[nodiscard]] std::string why_not(const store::Device& device, const Attempt& attempt) const;
  [[nodiscard]] Task<void> note(store::Device device, std::string source, std::string error);

  Parts parts_;
};

}  // namespace latchkey::people
