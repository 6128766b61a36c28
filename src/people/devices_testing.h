// An office with devices, for the tests of this room.
#pragma once

#include "people/device_desk.h"
#include "people/door_gate.h"
#include "people/people_testing.h"

namespace latchkey::people {

class OfficeWithDevices : public Office {
 protected:
  OfficeWithDevices() {
    store::Connector scans{.id = "scans", .name = "Scans", .type = "drive", .account = store::AccountKind::fixed};
    store::Connector own{.id = "own", .name = "One's own", .type = "drive", .account = store::AccountKind::caller};
    EXPECT_TRUE(run(store->commit({store::PutConnector{scans}, store::PutConnector{own}})));
  }

  DeviceWithSecret add_device(NewDevice wish) {
    auto added = run(desk.add(std::move(wish), admin));
    EXPECT_TRUE(added) << (added ? "" : added.error().text);
    return added ? std::move(*added) : DeviceWithSecret{};
  }
  store::Device stored(DeviceId id) {
    const auto found = run(store->device(id));
    EXPECT_TRUE(found && *found);
    return found && *found ? **found : store::Device{};
  }
  template <class T>
  static std::string refusal(const Result<T>& result) {
    if (result) return "done";
    return result.error().reason + (result.error().field.empty() ? "" : " " + result.error().field);
  }

  DeviceSeal device_seal{vault};
  DeviceDesk desk{{.store = *store, .seal = device_seal, .wall = wall, .entropy = entropy}};
};

}  // namespace latchkey::people
