// What the doors and the page Devices ask.
#include "store/rows.h"
#include "store/sqlite/queries.h"

namespace latchkey::store::sqlite {

Result<std::vector<Device>> find_devices(Connection& db) {
  auto statement = db.prepare("SELECT " LATCHKEY_DEVICE_COLUMNS " FROM devices ORDER BY name_key");
  return all_rows<Device>(statement, device_fields<Device>);
}

Result<std::optional<Device>> find_device(Connection& db, const DeviceId& id) {
  auto statement = db.prepare("SELECT " LATCHKEY_DEVICE_COLUMNS " FROM devices WHERE id = ?1");
  return only_row<Device>(statement.bind(id), device_fields<Device>);
}

Result<std::optional<Device>> find_device_by_name_key(Connection& db, const std::string& name_key) {
  auto statement = db.prepare("SELECT " LATCHKEY_DEVICE_COLUMNS " FROM devices WHERE name_key = ?1");
  return only_row<Device>(statement.bind(name_key), device_fields<Device>);
}

}  // namespace latchkey::store::sqlite
