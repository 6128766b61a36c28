// Who is at a door: a user who has shown a PIN, or a device that has shown its secret or its address. Values.
#pragma once

#include <string>
#include <variant>

#include "base/id.h"
#include "people/pin_gate.h"

namespace latchkey::people {

// Nothing of its secret is kept: what a device may open, a connector's standing delegation opens (docs/design/devices.md).
struct AdmittedDevice {
  DeviceId device;
  std::string name;
  WallTime secret_set_at{};  // of the secret it was let in with: a newer one ends a conversation (DoorGate::check_uses)
  friend bool operator==(const AdmittedDevice&, const AdmittedDevice&) = default;
};

using Principal = std::variant<Admitted, AdmittedDevice>;

}  // namespace latchkey::people
