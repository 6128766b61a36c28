// Devices. Their names and the usernames are one space: the writer is the only one, so a look beforehand is enough.
#include "store/rows.h"
#include "store/sqlite/changes.h"
#include "store/sqlite/mutations.h"

namespace latchkey::store::sqlite {

Result<void> expect_no_device_named(Connection& db, const std::string& name_key) {
  auto statement = db.prepare("SELECT 1 FROM devices WHERE name_key = ?1");
  if (statement.bind(name_key).row()) return exists("username");
  if (statement.failed()) return statement.failure();
  return {};
}

Result<void> change(Connection& db, WallTime, const PutDevice& m) {
  auto device = m.device;
  {
    auto statement = db.prepare("SELECT 1 FROM users WHERE username_key = ?1");
    if (statement.bind(device.name_key).row()) return exists("name");
    if (statement.failed()) return statement.failure();
  }
  if (device.version == 0) {
    device.version = 1;
    auto statement = db.prepare("INSERT INTO devices(" LATCHKEY_DEVICE_COLUMNS
                                ") VALUES ("
                                "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17"
                                ")");
    statement.bind(device_fields(device)).run();
    return outcome_of(statement, "device");
  }
  std::int64_t changed = 0;
  {
    auto statement = db.prepare(
        "UPDATE devices SET "
        "name = ?2, name_key = ?3, secret_hash = ?4, connectors = ?5, recipient_domains = ?6, allowed_sources = ?7, uses = ?8, "
        "enabled = ?9, secret_set_at = ?10, mac = ?16, version = version + 1"
        " WHERE id = ?1 AND version = ?17");
    changed = statement.bind(device_fields(device)).run();
    if (auto done = outcome_of(statement, "device"); !done) return done;
  }
  return expect_changed(db, changed, "SELECT version FROM devices WHERE id = ?1", device.id, "device");
}

Result<void> change(Connection& db, WallTime, const DeleteDevice& m) {
  auto statement = db.prepare("DELETE FROM devices WHERE id = ?1");
  const auto changed = statement.bind(m.id).run();
  if (statement.failed()) return statement.failure();
  if (changed == 0) return gone("device");
  return {};
}

Result<void> change(Connection& db, WallTime, const TouchDevice& m) {
  auto statement = db.prepare(m.error.empty()
                                  ? "UPDATE devices SET last_seen_at = ?2, last_source = ?3 WHERE id = ?1 AND last_seen_at < ?2"
                                  : "UPDATE devices SET last_error_at = ?2, last_error = ?3 WHERE id = ?1");
  statement.bind(m.id, m.at, m.error.empty() ? m.source : m.error).run();
  if (statement.failed()) return statement.failure();
  return {};
}

}  // namespace latchkey::store::sqlite
