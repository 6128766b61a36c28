// Every table that moves from one store to another: its record, its columns, and how its row is written to PostgreSQL. In the
// order in which references allow it.
#pragma once

#include <tuple>

#include "store/postgres/record_values.h"
#include "store/store.h"

namespace latchkey::store {

struct MetaRow {
  std::string key;
  Bytes value;
};

// Each table names: kName; kColumns, the columns of the record in the order of fields(); kOrder, its primary key; kTarget, the
// columns written; values(), in the order of kTarget.
struct GroupTable {
  using Record = Group;
  static constexpr const char* kName = "user_groups";
  static constexpr const char* kColumns = LATCHKEY_GROUP_COLUMNS;
  static constexpr const char* kOrder = "id";
  static constexpr const char* kTarget = LATCHKEY_GROUP_COLUMNS;
  static auto fields(Record& r) { return group_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::group_values(r); }
};

struct UserTable {
  using Record = User;
  static constexpr const char* kName = "users";
  static constexpr const char* kColumns = LATCHKEY_USER_COLUMNS;
  static constexpr const char* kOrder = "id";
  static constexpr const char* kTarget = LATCHKEY_USER_ROW;
  static auto fields(Record& r) { return user_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::user_values(r); }
};

struct AppTable {
  using Record = App;
  static constexpr const char* kName = "apps";
  static constexpr const char* kColumns = LATCHKEY_APP_COLUMNS;
  static constexpr const char* kOrder = "id";
  static constexpr const char* kTarget = LATCHKEY_APP_COLUMNS;
  static auto fields(Record& r) { return app_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::Values().add(app_fields(r)); }
};

struct GrantTable {
  using Record = Grant;
  static constexpr const char* kName = "grants";
  static constexpr const char* kColumns = LATCHKEY_GRANT_COLUMNS;
  static constexpr const char* kOrder = "id";
  static constexpr const char* kTarget = LATCHKEY_GRANT_ROW;
  static auto fields(Record& r) { return grant_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::grant_values(r); }
};

struct GenerationTable {
  using Record = Generation;
  static constexpr const char* kName = "generations";
  static constexpr const char* kColumns = LATCHKEY_GENERATION_COLUMNS;
  static constexpr const char* kOrder = "grant_id, number";
  static constexpr const char* kTarget = LATCHKEY_GENERATION_COLUMNS;
  static auto fields(Record& r) { return generation_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::Values().add(generation_fields(r)); }
};

struct WrapTable {
  using Record = Wrap;
  static constexpr const char* kName = "wraps";
  static constexpr const char* kColumns = LATCHKEY_WRAP_COLUMNS;
  static constexpr const char* kOrder = "grant_id, holder_kind, holder";
  static constexpr const char* kTarget = LATCHKEY_WRAP_COLUMNS;
  static auto fields(Record& r) { return wrap_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::Values().add(wrap_fields(r)); }
};

struct IntentTable {
  using Record = Intent;
  static constexpr const char* kName = "intents";
  static constexpr const char* kColumns = LATCHKEY_INTENT_COLUMNS;
  static constexpr const char* kOrder = "id";
  static constexpr const char* kTarget = LATCHKEY_INTENT_COLUMNS;
  static auto fields(Record& r) { return intent_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::Values().add(intent_fields(r)); }
};

struct AuthorizationTable {
  using Record = Authorization;
  static constexpr const char* kName = "authorizations";
  static constexpr const char* kColumns = LATCHKEY_AUTHORIZATION_COLUMNS;
  static constexpr const char* kOrder = "id";
  static constexpr const char* kTarget = LATCHKEY_AUTHORIZATION_COLUMNS;
  static auto fields(Record& r) { return authorization_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::Values().add(authorization_fields(r)); }
};

struct SessionTable {
  using Record = Session;
  static constexpr const char* kName = "sessions";
  static constexpr const char* kColumns = LATCHKEY_SESSION_COLUMNS;
  static constexpr const char* kOrder = "token_hash";
  static constexpr const char* kTarget = LATCHKEY_SESSION_COLUMNS;
  static auto fields(Record& r) { return session_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::Values().add(session_fields(r)); }
};

struct PinFailureTable {
  using Record = PinFailure;
  static constexpr const char* kName = "pin_failures";
  static constexpr const char* kColumns = "user_id, bucket, fingerprint, at";
  static constexpr const char* kOrder = "user_id, bucket, fingerprint";
  static constexpr const char* kTarget = kColumns;
  static auto fields(Record& r) { return std::tie(r.user, r.bucket, r.fingerprint, r.at); }
  static postgres::Values values(const Record& r) { return postgres::Values(r.user, r.bucket, r.fingerprint, r.at); }
};

struct KnownSourceTable {
  using Record = KnownSource;
  static constexpr const char* kName = "known_sources";
  static constexpr const char* kColumns = "user_id, source, last_success_at";
  static constexpr const char* kOrder = "user_id, source";
  static constexpr const char* kTarget = kColumns;
  static auto fields(Record& r) { return std::tie(r.user, r.source, r.last_success_at); }
  static postgres::Values values(const Record& r) { return postgres::Values(r.user, r.source, r.last_success_at); }
};

struct HandoutTable {
  using Record = HandoutCount;
  static constexpr const char* kName = "handouts";
  static constexpr const char* kColumns = "grant_id, minute, count";
  static constexpr const char* kOrder = "grant_id, minute";
  static constexpr const char* kTarget = kColumns;
  static auto fields(Record& r) { return std::tie(r.grant, r.minute, r.count); }
  static postgres::Values values(const Record& r) { return postgres::Values(r.grant, r.minute, r.count); }
};

struct GrantEventRow {
  std::int64_t sequence = 0;
  GrantEvent event;
};
struct GrantEventTable {
  using Record = GrantEventRow;
  static constexpr const char* kName = "grant_events";
  static constexpr const char* kColumns = "sequence, " LATCHKEY_EVENT_COLUMNS;
  static constexpr const char* kOrder = "grant_id, sequence";
  static constexpr const char* kTarget = kColumns;
  static auto fields(Record& r) { return std::tuple_cat(std::tie(r.sequence), event_fields(r.event)); }
  static postgres::Values values(const Record& r) { return postgres::Values(r.sequence).add(event_fields(r.event)); }
};

struct RevocationTable {
  using Record = Revocation;
  static constexpr const char* kName = "revocations";
  static constexpr const char* kColumns = LATCHKEY_REVOCATION_COLUMNS;
  static constexpr const char* kOrder = "id";
  static constexpr const char* kTarget = LATCHKEY_REVOCATION_COLUMNS;
  static auto fields(Record& r) { return revocation_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::Values().add(revocation_fields(r)); }
};

struct ConnectorTable {
  using Record = Connector;
  static constexpr const char* kName = "connectors";
  static constexpr const char* kColumns = LATCHKEY_CONNECTOR_COLUMNS;
  static constexpr const char* kOrder = "id";
  static constexpr const char* kTarget = LATCHKEY_CONNECTOR_COLUMNS;
  static auto fields(Record& r) { return connector_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::Values().add(connector_fields(r)); }
};

// The documents themselves stay in the spool of the data directory, whose next server takes them up.
struct DeliveryTable {
  using Record = Delivery;
  static constexpr const char* kName = "deliveries";
  static constexpr const char* kColumns = LATCHKEY_DELIVERY_COLUMNS;
  static constexpr const char* kOrder = "id";
  static constexpr const char* kTarget = LATCHKEY_DELIVERY_COLUMNS;
  static auto fields(Record& r) { return delivery_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::Values().add(delivery_fields(r)); }
};

struct DeviceTable {
  using Record = Device;
  static constexpr const char* kName = "devices";
  static constexpr const char* kColumns = LATCHKEY_DEVICE_COLUMNS;
  static constexpr const char* kOrder = "id";
  static constexpr const char* kTarget = LATCHKEY_DEVICE_COLUMNS;
  static auto fields(Record& r) { return device_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::Values().add(device_fields(r)); }
};

struct TallyTable {
  using Record = Tally;
  static constexpr const char* kName = "tallies";
  static constexpr const char* kColumns = "name, at, count";
  static constexpr const char* kOrder = "name, at";
  static constexpr const char* kTarget = kColumns;
  static auto fields(Record& r) { return std::tie(r.name, r.at, r.count); }
  static postgres::Values values(const Record& r) { return postgres::Values(r.name, r.at, r.count); }
};

struct SettingTable {
  using Record = Setting;
  static constexpr const char* kName = "settings";
  static constexpr const char* kColumns = "key, value";
  static constexpr const char* kOrder = "key";
  static constexpr const char* kTarget = kColumns;
  static auto fields(Record& r) { return std::tie(r.key, r.value); }
  static postgres::Values values(const Record& r) { return postgres::Values(r.key, r.value); }
};

// Without what is the source's own: its node's name, and where it moved.
struct MetaTable {
  using Record = MetaRow;
  static constexpr const char* kName = "meta";
  static constexpr const char* kColumns = "key, value";
  static constexpr const char* kOrder = "key";
  static constexpr const char* kTarget = kColumns;
  static constexpr const char* kCondition = "key NOT IN ('node_id', 'moved_to', 'moving_to', 'move_ending')";
  static auto fields(Record& r) { return std::tie(r.key, r.value); }
  static postgres::Values values(const Record& r) { return postgres::Values(r.key, r.value); }
};

struct AuditTable {
  using Record = AuditEntry;
  static constexpr const char* kName = "audit";
  static constexpr const char* kColumns = LATCHKEY_AUDIT_COLUMNS;
  static constexpr const char* kOrder = "sequence";
  static constexpr const char* kTarget = LATCHKEY_AUDIT_ROW;
  static auto fields(Record& r) { return audit_fields(r); }
  static postgres::Values values(const Record& r) { return postgres::audit_values(r); }
};

using MovedTables = std::tuple<GroupTable, UserTable, AppTable, GrantTable, GenerationTable, WrapTable, IntentTable, AuthorizationTable,
                               SessionTable, PinFailureTable, KnownSourceTable, HandoutTable, GrantEventTable, RevocationTable, ConnectorTable, DeliveryTable, DeviceTable, TallyTable, SettingTable,
                               MetaTable, AuditTable>;

}  // namespace latchkey::store
