// Devices. Their names and the usernames are one space. A user and a device that are given one name at the same moment by two
// nodes may both be there: a secret is then tried as the device's and as the user's PIN, and opens what is its own.
#include "store/postgres/expectation.h"
#include "store/postgres/plan.h"
#include "store/rows.h"

namespace latchkey::store::postgres {

void expect_no_device_named(Plan& plan, const std::string& name_key) {
  constexpr std::string_view kSql =
      "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM devices WHERE name_key = $1) THEN 'latchkey:exists:username' ELSE '1' END AS BIGINT)";
  plan.writes.push_back({{kSql, Values(name_key)}});
}

void add(Plan& plan, std::optional<WallTime>, const PutDevice& m) {
  auto device = m.device;
  constexpr std::string_view kApart =
      "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM users WHERE username_key = $1) THEN 'latchkey:exists:name' ELSE '1' END AS BIGINT)";
  plan.writes.push_back({{kApart, Values(base::as_bytes(device.name_key))}});
  if (device.version == 0) {
    device.version = 1;
    constexpr std::string_view kInsert = "INSERT INTO devices(" LATCHKEY_DEVICE_COLUMNS
                                         ") VALUES ("
                                         "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17"
                                         ")";
    plan.writes.push_back({{kInsert, Values().add(device_fields(device))}});
    return;
  }
  constexpr std::string_view kUpdate = LATCHKEY_EXPECT_VERSION(
      "UPDATE devices SET "
      "name = $2, name_key = $3, secret_hash = $4, connectors = $5, recipient_domains = $6, allowed_sources = $7, uses = $8, "
      "enabled = $9, secret_set_at = $10, mac = $11, version = version + 1"
      " WHERE id = $1 AND version = $12 RETURNING 1",
      "SELECT 1 FROM devices WHERE id = $1", "device");
  plan.writes.push_back({{kUpdate, Values(device.id, device.name, device.name_key, device.secret_hash, device.connectors,
                                          device.recipient_domains, device.allowed_sources, device.uses, device.enabled,
                                          device.secret_set_at, device.mac, device.version)}});
}

void add(Plan& plan, std::optional<WallTime>, const DeleteDevice& m) {
  constexpr std::string_view kSql = LATCHKEY_EXPECT_GONE("DELETE FROM devices WHERE id = $1 RETURNING 1", "device");
  plan.writes.push_back({{kSql, Values(m.id)}});
}

void add(Plan& plan, std::optional<WallTime>, const TouchDevice& m) {
  constexpr std::string_view kSeen = "UPDATE devices SET last_seen_at = $2, last_source = $3 WHERE id = $1 AND last_seen_at < $2";
  constexpr std::string_view kError = "UPDATE devices SET last_error_at = $2, last_error = $3 WHERE id = $1";
  plan.writes.push_back({{m.error.empty() ? kSeen : kError, Values(m.id, m.at, m.error.empty() ? m.source : m.error)}});
}

}  // namespace latchkey::store::postgres
