// One gate for all doors: people with their PIN (PinGate) and devices with their own secret (RULES T2, T5, T7, T8).
//
// Invariants: a device's secret is checked by keyed hash and only that hash is kept; whatever is not right about a device
// (name, secret, address, switched off) is answered by the PIN gate as for an unknown user: same words, same time, same
// charge. A right secret is never made to wait, since 160 bits and more are not guessed.
// Concurrency: thread-safe; tasks run on the caller's executor.
#pragma once

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
    store::Store& store;
    const DeviceSeal& seal;
    const WallClock& wall;
    Log& log;
  };
  explicit DoorGate(Parts parts) : parts_(parts) {}

  // `attempt.pin` is a PIN or a device's secret. In clear (and over TLS 1.0 or 1.1, which doors report as clear) only devices
  // are admitted, and only from an address they name. Errors as PinGate::admit(); refused/`use_not_allowed` also for a device.
  [[nodiscard]] Task<Result<Principal>> admit(Attempt attempt);

  // For a listener without authentication: the device whose allowed sources are exactly this one address. Its `uses` are the
  // door's to ask for: `uses` are store::Use bits wanted, all of them. Errors: not_found/`no_such_device` (none, several, or
  // switched off); those of the store.
  [[nodiscard]] Task<Result<AdmittedDevice>> recognise(std::string address, std::uint32_t uses = store::kUseDeliver);

  // What went wrong for a device after it had been let in, in words for its page; kept as its last error, at most once a
  // minute. Never fails its caller.
  [[nodiscard]] Task<void> note_error(DeviceId device, std::string source, std::string words);

 private:
  [[nodiscard]] Task<void> note(store::Device device, std::string source, std::string error);

  Parts parts_;
};

}  // namespace latchkey::people
