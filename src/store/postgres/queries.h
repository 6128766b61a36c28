// The Store's questions as SQL, one function each, on a reader's connection. What they promise stands in store/store.h.
#pragma once

#include "store/postgres/connection.h"
#include "store/store.h"

namespace latchkey::store::postgres {

// queries_people.cpp
[[nodiscard]] Result<std::vector<GroupRow>> find_groups(Connection& db);
[[nodiscard]] Result<std::optional<Group>> find_group(Connection& db, const GroupId& id);
[[nodiscard]] Result<std::optional<Group>> find_group_by_name_key(Connection& db, const std::string& name_key);
[[nodiscard]] Result<std::optional<User>> find_user(Connection& db, const UserId& id);
[[nodiscard]] Result<std::optional<User>> find_user_by_key(Connection& db, const std::string& username_key);
[[nodiscard]] Result<std::vector<User>> find_users_after(Connection& db, const UserId& after, std::size_t limit);
[[nodiscard]] Result<std::int64_t> count_administrators(Connection& db);
[[nodiscard]] Result<std::vector<PinFailureCount>> find_pin_failures(Connection& db, const UserId& user);
[[nodiscard]] Result<std::int64_t> count_spray(Connection& db, const std::string& bucket, WallTime since);
[[nodiscard]] Result<std::vector<KnownSource>> find_known_sources(Connection& db, const UserId& user);
[[nodiscard]] Result<std::optional<Session>> find_session(Connection& db, const Bytes& token_hash);

// queries_listing.cpp
[[nodiscard]] Result<Listing<UserRow>> list_users(Connection& db, const UserQuery& query);

// queries_grants.cpp
[[nodiscard]] Result<std::optional<GrantView>> find_grant(Connection& db, const GrantId& id);
[[nodiscard]] Result<std::vector<Grant>> find_grants_of_user(Connection& db, const UserId& user);
[[nodiscard]] Result<std::optional<Holding>> find_holding(Connection& db, const UserId& user, const std::string& type);
[[nodiscard]] Result<std::vector<Grant>> find_grants_of_app(Connection& db, const std::string& app, std::size_t limit);
[[nodiscard]] Result<std::optional<Grant>> find_grant_by_account(Connection& db, const std::string& app, const std::string& type,
                                                                 const std::string& account_id);
[[nodiscard]] Result<std::vector<Wrap>> find_wraps(Connection& db, const GrantId& grant);
// Reserves what it gives; `now`: nullopt for the database's clock.
[[nodiscard]] Result<std::vector<DueGrant>> take_due_grants(Connection& db, const NodeId& node, WallTime until, std::optional<WallTime> now,
                                                            std::size_t limit, const std::vector<std::string>& without_apps);
[[nodiscard]] Result<std::vector<Grant>> find_grants_after(Connection& db, const GrantId& after, std::size_t limit);
[[nodiscard]] Result<std::vector<Intent>> find_open_intents(Connection& db, std::size_t limit);
[[nodiscard]] Result<std::vector<GrantAge>> find_aged_grants(Connection& db, const AgeQuery& query);
[[nodiscard]] Result<std::vector<StateCount>> count_grant_states(Connection& db);
[[nodiscard]] Result<std::vector<HandoutCount>> find_handouts(Connection& db, const GrantId& grant, WallTime since);

// queries_foresight.cpp
[[nodiscard]] Result<std::vector<TypeStateCount>> count_grants_by_type(Connection& db);
[[nodiscard]] Result<std::vector<std::int64_t>> make_grant_histogram(Connection& db, GrantMoment moment, const std::vector<WallTime>& edges);
[[nodiscard]] Result<std::vector<Grant>> find_sharers(Connection& db, const SharersQuery& query);
[[nodiscard]] Result<std::vector<GrantEvent>> find_grant_events(Connection& db, const GrantId& grant);
[[nodiscard]] Result<Listing<Revocation>> find_revocations(Connection& db, WallTime due_until, std::size_t limit);
[[nodiscard]] Result<std::vector<Revocation>> find_revocations_after(Connection& db, const RevocationId& after, std::size_t limit);
[[nodiscard]] Result<std::vector<Tally>> find_tallies(Connection& db, const std::string& prefix, WallTime since);

// queries_delivery.cpp
[[nodiscard]] Result<std::vector<Connector>> find_connectors(Connection& db);
[[nodiscard]] Result<std::optional<Connector>> find_connector(Connection& db, const std::string& id);
[[nodiscard]] Result<std::optional<Delivery>> find_delivery(Connection& db, const DeliveryId& id);
[[nodiscard]] Result<std::optional<Delivery>> find_delivery_by_key(Connection& db, const UserId& submitter, const DeviceId& device,
                                                                    const std::string& idempotency_key);
[[nodiscard]] Result<Listing<Delivery>> list_deliveries(Connection& db, const DeliveryQuery& query);
[[nodiscard]] Result<std::vector<Delivery>> find_due_deliveries(Connection& db, const NodeId& node, WallTime until, std::size_t limit);
[[nodiscard]] Result<std::vector<DeliveryStateCount>> count_delivery_states(Connection& db);
[[nodiscard]] Result<std::vector<Delivery>> find_deliveries_after(Connection& db, const DeliveryId& after, std::size_t limit);

// queries_devices.cpp
[[nodiscard]] Result<std::vector<Device>> find_devices(Connection& db);
[[nodiscard]] Result<std::optional<Device>> find_device(Connection& db, const DeviceId& id);
[[nodiscard]] Result<std::optional<Device>> find_device_by_name_key(Connection& db, const std::string& name_key);

// queries_server.cpp
[[nodiscard]] Result<WallTime> find_now(Connection& db);
[[nodiscard]] Result<std::vector<App>> find_apps(Connection& db);
[[nodiscard]] Result<std::optional<App>> find_app(Connection& db, const std::string& id);
[[nodiscard]] Result<std::optional<Authorization>> find_authorization(Connection& db, const AuthorizationId& id);
[[nodiscard]] Result<std::optional<Authorization>> find_authorization_by_ticket(Connection& db, const Bytes& ticket_hash);
[[nodiscard]] Result<std::optional<Authorization>> find_authorization_by_state(Connection& db, const Bytes& state_hash);
[[nodiscard]] Result<std::optional<Authorization>> find_authorization_reserving(Connection& db, const std::string& username_key);
[[nodiscard]] Result<std::vector<Authorization>> find_expired_authorizations(Connection& db, WallTime now, std::size_t limit);
[[nodiscard]] Result<std::vector<Authorization>> find_pending_authorizations(Connection& db, std::size_t limit);
[[nodiscard]] Result<std::vector<Authorization>> find_authorizations_after(Connection& db, const AuthorizationId& after, std::size_t limit);
[[nodiscard]] Result<std::vector<Setting>> find_settings(Connection& db);
[[nodiscard]] Result<Listing<AuditEntry>> list_audit(Connection& db, const AuditQuery& query);
[[nodiscard]] Result<std::optional<std::int64_t>> verify_audit_chain(Connection& db);
[[nodiscard]] Result<std::vector<Node>> find_nodes(Connection& db);
[[nodiscard]] Result<Bytes> find_meta(Connection& db, const std::string& key);

// The only row, if any; `fields` makes the tuple to read into.
template <class Record, class Fields>
[[nodiscard]] std::optional<Record> only_of(Rows& rows, Fields fields) {
  std::optional<Record> found;
  if (rows.row()) rows.read(fields(found.emplace()));
  return found;
}
template <class Record, class Fields>
[[nodiscard]] std::vector<Record> all_of(Rows& rows, Fields fields) {
  std::vector<Record> found;
  while (rows.row()) rows.read(fields(found.emplace_back()));
  return found;
}

// The statement's only row, or all its rows, or its failure.
template <class Record, class Fields>
[[nodiscard]] Result<std::optional<Record>> only_row(Connection& db, const Query& query, Fields fields) {
  auto rows = db.ask(query);
  if (!rows) return std::unexpected(rows.error());
  return only_of<Record>(*rows, fields);
}
template <class Record, class Fields>
[[nodiscard]] Result<std::vector<Record>> all_rows(Connection& db, const Query& query, Fields fields) {
  auto rows = db.ask(query);
  if (!rows) return std::unexpected(rows.error());
  return all_of<Record>(*rows, fields);
}
// One number.
[[nodiscard]] inline Result<std::int64_t> number(Connection& db, const Query& query) {
  auto rows = db.ask(query);
  if (!rows) return std::unexpected(rows.error());
  std::int64_t value = 0;
  if (rows->row()) rows->read(value);
  return value;
}

}  // namespace latchkey::store::postgres
