#include "store/postgres/schema.h"

#include "store/postgres/migration.h"

namespace latchkey::store::postgres {
namespace {

// As in SQLite (sqlite/schema.cpp) but for: ids as UUID, names that are compared as octets, folded texts beside what they are
// made from, no table for the users' list, and what several nodes need (reservations, the head of the audit trail).
constexpr const char* kPeople = R"sql(
CREATE TABLE meta (key TEXT CONSTRAINT meta_pkey PRIMARY KEY, value BYTEA NOT NULL);
CREATE TABLE settings (key TEXT CONSTRAINT settings_pkey PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE user_groups (
  id UUID CONSTRAINT user_groups_pkey PRIMARY KEY, name TEXT NOT NULL,
  name_key BYTEA NOT NULL CONSTRAINT user_groups_name UNIQUE, created_at BIGINT NOT NULL, version BIGINT NOT NULL
);

CREATE TABLE users (
  id UUID CONSTRAINT users_pkey PRIMARY KEY,
  group_id UUID NOT NULL CONSTRAINT users_group REFERENCES user_groups(id), username TEXT NOT NULL,
  username_key BYTEA NOT NULL CONSTRAINT users_username UNIQUE, name TEXT NOT NULL, email TEXT NOT NULL,
  role BIGINT NOT NULL, enabled BIGINT NOT NULL, uses BIGINT NOT NULL, allowed_sources TEXT NOT NULL,
  auth_epoch BIGINT NOT NULL, password_sealed BYTEA NOT NULL, public_key BYTEA NOT NULL,
  private_key_wrapped BYTEA NOT NULL, pin_set_at BIGINT NOT NULL, created_at BIGINT NOT NULL,
  last_used_at BIGINT NOT NULL, mac BYTEA NOT NULL, version BIGINT NOT NULL, search_fold TEXT NOT NULL
);
CREATE INDEX users_administrators ON users(id) WHERE role = 1;
CREATE INDEX users_listing ON users(group_id, username_key);

CREATE TABLE sessions (
  token_hash BYTEA CONSTRAINT sessions_pkey PRIMARY KEY,
  user_id UUID NOT NULL CONSTRAINT sessions_user REFERENCES users(id) ON DELETE CASCADE,
  auth_epoch BIGINT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, source TEXT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions(user_id);

CREATE TABLE pin_failures (
  user_id UUID NOT NULL, bucket TEXT NOT NULL, fingerprint BYTEA NOT NULL, at BIGINT NOT NULL,
  CONSTRAINT pin_failures_pkey PRIMARY KEY (user_id, bucket, fingerprint)
);
CREATE INDEX pin_failures_bucket ON pin_failures(bucket, at);

CREATE TABLE known_sources (
  user_id UUID NOT NULL, source TEXT NOT NULL, last_success_at BIGINT NOT NULL,
  CONSTRAINT known_sources_pkey PRIMARY KEY (user_id, source)
);
)sql";

constexpr const char* kNodes = R"sql(
CREATE TABLE nodes (
  id UUID CONSTRAINT nodes_pkey PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, run BYTEA NOT NULL,
  started_at BIGINT NOT NULL, seen_at BIGINT NOT NULL
);
)sql";

constexpr const char* kGrants = R"sql(
CREATE TABLE apps (
  id TEXT CONSTRAINT apps_pkey PRIMARY KEY, provider TEXT NOT NULL, client_id TEXT NOT NULL, token_origin TEXT NOT NULL,
  params_json TEXT NOT NULL, secret1_sealed BYTEA NOT NULL, secret1_expires_at BIGINT, secret1_set_at BIGINT NOT NULL,
  secret2_sealed BYTEA NOT NULL, secret2_expires_at BIGINT, secret2_set_at BIGINT NOT NULL, paused BIGINT NOT NULL,
  pause_reason TEXT NOT NULL, created_at BIGINT NOT NULL, mac BYTEA NOT NULL, version BIGINT NOT NULL
);

CREATE TABLE grants (
  id UUID CONSTRAINT grants_pkey PRIMARY KEY,
  user_id UUID NOT NULL CONSTRAINT grants_user REFERENCES users(id) ON DELETE CASCADE, type TEXT NOT NULL,
  app TEXT NOT NULL, params_json TEXT NOT NULL, account_id TEXT NOT NULL, account_name TEXT NOT NULL,
  scopes TEXT NOT NULL, missing_scopes TEXT NOT NULL, extras_json TEXT NOT NULL, public_key BYTEA NOT NULL,
  state BIGINT NOT NULL, why TEXT NOT NULL, generation BIGINT NOT NULL, issued_at BIGINT NOT NULL,
  access_expires_at BIGINT, last_refreshed_at BIGINT NOT NULL, last_used_at BIGINT NOT NULL, due_at BIGINT,
  failures BIGINT NOT NULL, dead_seen BIGINT NOT NULL, lease_owner UUID NOT NULL, lease_until BIGINT NOT NULL,
  fence BIGINT NOT NULL, created_at BIGINT NOT NULL, mac BYTEA NOT NULL, version BIGINT NOT NULL,
  account_fold TEXT NOT NULL,
  reserved_by UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000', reserved_until BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT grants_type UNIQUE (user_id, type)
);
CREATE INDEX grants_account ON grants(app, account_id) WHERE account_id <> '';
CREATE INDEX grants_app ON grants(app);
CREATE INDEX grants_state ON grants(state);
CREATE INDEX grants_due ON grants(due_at) WHERE due_at IS NOT NULL;

CREATE TABLE generations (
  grant_id UUID NOT NULL CONSTRAINT generations_grant REFERENCES grants(id) ON DELETE CASCADE, number BIGINT NOT NULL,
  state BIGINT NOT NULL, intent UUID NOT NULL, refresh_sealed BYTEA NOT NULL, access_sealed BYTEA NOT NULL,
  access_expires_at BIGINT, issued_at BIGINT NOT NULL, proven_at BIGINT,
  CONSTRAINT generations_pkey PRIMARY KEY (grant_id, number)
);

CREATE TABLE wraps (
  grant_id UUID NOT NULL CONSTRAINT wraps_grant REFERENCES grants(id) ON DELETE CASCADE, holder_kind BIGINT NOT NULL,
  holder BYTEA NOT NULL, private_key_sealed BYTEA NOT NULL, created_at BIGINT NOT NULL,
  CONSTRAINT wraps_pkey PRIMARY KEY (grant_id, holder_kind, holder)
);

-- No reference to grants: the first code exchange precedes its grant.
CREATE TABLE intents (
  id UUID CONSTRAINT intents_pkey PRIMARY KEY, grant_id UUID NOT NULL, generation BIGINT NOT NULL, node UUID NOT NULL,
  fence BIGINT NOT NULL, state BIGINT NOT NULL, attempts BIGINT NOT NULL, opened_at BIGINT NOT NULL,
  settled_at BIGINT NOT NULL, outcome TEXT NOT NULL, version BIGINT NOT NULL,
  CONSTRAINT intents_generation UNIQUE (grant_id, generation)
);
CREATE INDEX intents_unsettled ON intents(opened_at) WHERE state IN (0, 1);

CREATE TABLE authorizations (
  id UUID CONSTRAINT authorizations_pkey PRIMARY KEY, state BIGINT NOT NULL, ticket_hash BYTEA NOT NULL,
  state_hash BYTEA NOT NULL, username_key TEXT NOT NULL, created_by UUID NOT NULL, record_sealed BYTEA NOT NULL,
  result_json TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX authorizations_username ON authorizations(username_key) WHERE state = 0 AND username_key <> '';
CREATE INDEX authorizations_ticket ON authorizations(ticket_hash) WHERE ticket_hash <> '';
CREATE INDEX authorizations_state ON authorizations(state_hash) WHERE state_hash <> '';
CREATE INDEX authorizations_expiry ON authorizations(expires_at);

CREATE TABLE handouts (
  grant_id UUID NOT NULL CONSTRAINT handouts_grant REFERENCES grants(id) ON DELETE CASCADE, minute BIGINT NOT NULL,
  count BIGINT NOT NULL, CONSTRAINT handouts_pkey PRIMARY KEY (grant_id, minute)
);
)sql";

constexpr const char* kAudit = R"sql(
CREATE TABLE audit (
  sequence BIGINT CONSTRAINT audit_pkey PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  subject TEXT NOT NULL, user_id UUID NOT NULL, source TEXT NOT NULL, detail TEXT NOT NULL, hash BYTEA NOT NULL,
  search_fold TEXT NOT NULL
);
CREATE INDEX audit_user ON audit(user_id);
CREATE INDEX audit_action ON audit(action);
-- One row, locked by whoever appends.
CREATE TABLE audit_head (only_one BIGINT CONSTRAINT audit_head_pkey PRIMARY KEY, sequence BIGINT NOT NULL, hash BYTEA NOT NULL);
INSERT INTO audit_head(only_one, sequence, hash) VALUES (1, 0, '');
)sql";

constexpr const char* kForesight = R"sql(
DROP INDEX grants_state;
CREATE INDEX grants_state ON grants(state, type);

CREATE TABLE grant_events (
  grant_id UUID NOT NULL CONSTRAINT grant_events_grant REFERENCES grants(id) ON DELETE CASCADE, sequence BIGINT NOT NULL,
  at BIGINT NOT NULL, last_at BIGINT NOT NULL, kind BIGINT NOT NULL, count BIGINT NOT NULL, generation BIGINT NOT NULL,
  status BIGINT NOT NULL, error TEXT NOT NULL, detail TEXT NOT NULL, actor TEXT NOT NULL,
  CONSTRAINT grant_events_pkey PRIMARY KEY (grant_id, sequence)
);

CREATE TABLE revocations (
  id UUID CONSTRAINT revocations_pkey PRIMARY KEY, grant_id UUID NOT NULL, app TEXT NOT NULL, subject TEXT NOT NULL,
  record_sealed BYTEA NOT NULL, attempts BIGINT NOT NULL, due_at BIGINT NOT NULL, created_at BIGINT NOT NULL, why TEXT NOT NULL,
  version BIGINT NOT NULL
);
CREATE INDEX revocations_due ON revocations(due_at);

CREATE TABLE tallies (
  name TEXT NOT NULL, at BIGINT NOT NULL, count BIGINT NOT NULL, CONSTRAINT tallies_pkey PRIMARY KEY (name, at)
);
)sql";

constexpr const char* kDelivery = R"sql(
CREATE TABLE connectors (
  id TEXT CONSTRAINT connectors_pkey PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, account BIGINT NOT NULL, owner_id UUID NOT NULL,
  group_ids TEXT NOT NULL, devices TEXT NOT NULL, target_json TEXT NOT NULL, naming TEXT NOT NULL, conflict_rule BIGINT NOT NULL,
  size_bytes_max BIGINT NOT NULL, enabled BIGINT NOT NULL, created_at BIGINT NOT NULL, mac BYTEA NOT NULL, version BIGINT NOT NULL
);

CREATE TABLE deliveries (
  id UUID CONSTRAINT deliveries_pkey PRIMARY KEY, connector TEXT NOT NULL, submitter_id UUID NOT NULL, grant_id UUID NOT NULL,
  node UUID NOT NULL, state BIGINT NOT NULL, name TEXT NOT NULL, content_type TEXT NOT NULL, size_bytes BIGINT NOT NULL,
  sha256 BYTEA NOT NULL, document_key_sealed BYTEA NOT NULL, public_key BYTEA NOT NULL, private_key_sealed BYTEA NOT NULL,
  tries BIGINT NOT NULL, due_at BIGINT NOT NULL, resume_point TEXT NOT NULL, sent_bytes BIGINT NOT NULL, why TEXT NOT NULL,
  receipt_json TEXT NOT NULL, timeline_json TEXT NOT NULL, source TEXT NOT NULL, created_at BIGINT NOT NULL, finished_at BIGINT NOT NULL,
  mac BYTEA NOT NULL, version BIGINT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries(node, due_at) WHERE state <= 2;
CREATE INDEX deliveries_state ON deliveries(state, size_bytes);
CREATE INDEX deliveries_submitter ON deliveries(submitter_id, id);
)sql";

constexpr const char* kDevices = R"sql(
ALTER TABLE connectors DROP COLUMN devices;
ALTER TABLE connectors ADD COLUMN delegation_id UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
ALTER TABLE connectors ADD COLUMN delegation_grant UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
ALTER TABLE connectors ADD COLUMN delegation_public_key BYTEA NOT NULL DEFAULT '';
ALTER TABLE connectors ADD COLUMN delegation_key_sealed BYTEA NOT NULL DEFAULT '';
ALTER TABLE connectors ADD COLUMN delegated_at BIGINT NOT NULL DEFAULT 0;

ALTER TABLE deliveries ADD COLUMN device_id UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
ALTER TABLE deliveries ADD COLUMN fields_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deliveries ADD COLUMN idempotency_key TEXT NOT NULL DEFAULT '';
CREATE INDEX deliveries_device ON deliveries(device_id, id) WHERE device_id <> '00000000-0000-0000-0000-000000000000';
CREATE UNIQUE INDEX deliveries_key ON deliveries(idempotency_key, submitter_id, device_id) WHERE idempotency_key <> '';

CREATE TABLE devices (
  id UUID CONSTRAINT devices_pkey PRIMARY KEY, name TEXT NOT NULL, name_key TEXT NOT NULL, secret_hash BYTEA NOT NULL,
  connectors TEXT NOT NULL, recipient_domains TEXT NOT NULL, allowed_sources TEXT NOT NULL, uses BIGINT NOT NULL,
  enabled BIGINT NOT NULL, secret_set_at BIGINT NOT NULL, created_at BIGINT NOT NULL, last_seen_at BIGINT NOT NULL,
  last_source TEXT NOT NULL, last_error_at BIGINT NOT NULL, last_error TEXT NOT NULL, mac BYTEA NOT NULL, version BIGINT NOT NULL,
  CONSTRAINT devices_name UNIQUE (name_key)
);
)sql";

// Grants of accounts that the provider never named; few, or all of an app.
constexpr const char* kUnnamed = R"sql(
CREATE INDEX grants_unnamed ON grants(app) WHERE account_id = '';
)sql";

const MigrationStep kSteps[] = {
    {"the first schema", {kPeople, kGrants, kAudit, kNodes}},
    {"foresight and revocations", {kForesight}},
    {"connectors and deliveries", {kDelivery}},
    {"devices", {kDevices}},
    {"accounts that were never named", {kUnnamed}},
};

}  // namespace

Result<void> bring_up_to_date(Connection& connection, const Place& place, const std::string& program_version) {
  return migrate(connection, place, {.info = "store_info", .steps = kSteps}, program_version);
}

}  // namespace latchkey::store::postgres
