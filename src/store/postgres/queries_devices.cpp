// What the doors and the page Devices ask.
#include <algorithm>

#include "store/postgres/queries.h"
#include "store/rows.h"

namespace latchkey::store::postgres {

// In the order of octets, whatever the database's collation is.
Result<std::vector<Device>> find_devices(Connection& db) {
  auto found = all_rows<Device>(db, {"SELECT " LATCHKEY_DEVICE_COLUMNS " FROM devices"}, device_fields<Device>);
  if (found) std::ranges::sort(*found, {}, &Device::name_key);
  return found;
}

Result<std::optional<Device>> find_device(Connection& db, const DeviceId& id) {
  return only_row<Device>(db, {"SELECT " LATCHKEY_DEVICE_COLUMNS " FROM devices WHERE id = $1", Values(id)}, device_fields<Device>);
}

Result<std::optional<Device>> find_device_by_name_key(Connection& db, const std::string& name_key) {
  return only_row<Device>(db, {"SELECT " LATCHKEY_DEVICE_COLUMNS " FROM devices WHERE name_key = $1", Values(name_key)},
                          device_fields<Device>);
}

}  // namespace latchkey::store::postgres
