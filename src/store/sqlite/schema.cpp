#include "store/sqlite/schema.h"

#include <fmt/format.h>

#include <iterator>

namespace latchkey::store::sqlite {
namespace {

// Ids are 16 octets; times are milliseconds since 1970, NULL only where the record's field is optional.
constexpr const char* kPeople = R"sql(
CREATE TABLE store_info (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE settings (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE user_groups (
  id BLOB PRIMARY KEY NOT NULL, name TEXT NOT NULL, name_key TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  users INTEGER NOT NULL DEFAULT 0, oauth_users INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  id BLOB PRIMARY KEY NOT NULL, group_id BLOB NOT NULL, username TEXT NOT NULL, username_key TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL, email TEXT NOT NULL, role INTEGER NOT NULL, enabled INTEGER NOT NULL, uses INTEGER NOT NULL,
  allowed_sources TEXT NOT NULL, auth_epoch INTEGER NOT NULL, password_sealed BLOB NOT NULL, public_key BLOB NOT NULL,
  private_key_wrapped BLOB NOT NULL, pin_set_at INTEGER NOT NULL, created_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL, mac BLOB NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE INDEX users_administrators ON users(id) WHERE role = 1;

-- What the users' list searches, filters and pages by, in the list's own order, so that a page is one short scan.
-- grants_summary: '|type/state|type/state|', empty when the user holds none.
CREATE TABLE user_listing (
  group_id BLOB NOT NULL REFERENCES user_groups(id), username_key TEXT NOT NULL, user_id BLOB NOT NULL,
  search_text TEXT NOT NULL, grants_summary TEXT NOT NULL,
  PRIMARY KEY (group_id, username_key)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER user_listing_inserted AFTER INSERT ON user_listing BEGIN
  UPDATE user_groups SET users = users + 1, oauth_users = oauth_users + (new.grants_summary <> '') WHERE id = new.group_id;
END;
CREATE TRIGGER user_listing_deleted AFTER DELETE ON user_listing BEGIN
  UPDATE user_groups SET users = users - 1, oauth_users = oauth_users - (old.grants_summary <> '') WHERE id = old.group_id;
END;
CREATE TRIGGER user_listing_changed AFTER UPDATE ON user_listing
WHEN old.group_id <> new.group_id OR (old.grants_summary <> '') <> (new.grants_summary <> '') BEGIN
  UPDATE user_groups SET users = users - 1, oauth_users = oauth_users - (old.grants_summary <> '') WHERE id = old.group_id;
  UPDATE user_groups SET users = users + 1, oauth_users = oauth_users + (new.grants_summary <> '') WHERE id = new.group_id;
END;

CREATE TABLE sessions (
  token_hash BLOB PRIMARY KEY NOT NULL, user_id BLOB NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  auth_epoch INTEGER NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, source TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions(user_id);

-- user_id is all zero where nobody of that name exists, so there is no foreign key.
CREATE TABLE pin_failures (
  user_id BLOB NOT NULL, bucket TEXT NOT NULL, fingerprint BLOB NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (user_id, bucket, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE INDEX pin_failures_bucket ON pin_failures(bucket, at);
CREATE INDEX pin_failures_of_nobody ON pin_failures(at) WHERE user_id = x'00000000000000000000000000000000';

CREATE TABLE known_sources (
  user_id BLOB NOT NULL, source TEXT NOT NULL, last_success_at INTEGER NOT NULL, PRIMARY KEY (user_id, source)
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kGrants = R"sql(
CREATE TABLE apps (
  id TEXT PRIMARY KEY NOT NULL, provider TEXT NOT NULL, client_id TEXT NOT NULL, token_origin TEXT NOT NULL,
  params_json TEXT NOT NULL, secret1_sealed BLOB NOT NULL, secret1_expires_at INTEGER, secret1_set_at INTEGER NOT NULL,
  secret2_sealed BLOB NOT NULL, secret2_expires_at INTEGER, secret2_set_at INTEGER NOT NULL, paused INTEGER NOT NULL,
  pause_reason TEXT NOT NULL, created_at INTEGER NOT NULL, mac BLOB NOT NULL, version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
  id BLOB PRIMARY KEY NOT NULL, user_id BLOB NOT NULL REFERENCES users(id) ON DELETE CASCADE, type TEXT NOT NULL,
  app TEXT NOT NULL, params_json TEXT NOT NULL, account_id TEXT NOT NULL, account_name TEXT NOT NULL,
  scopes TEXT NOT NULL, missing_scopes TEXT NOT NULL, extras_json TEXT NOT NULL, public_key BLOB NOT NULL,
  state INTEGER NOT NULL, why TEXT NOT NULL, generation INTEGER NOT NULL, issued_at INTEGER NOT NULL,
  access_expires_at INTEGER, last_refreshed_at INTEGER NOT NULL, last_used_at INTEGER NOT NULL, due_at INTEGER,
  failures INTEGER NOT NULL, dead_seen INTEGER NOT NULL, lease_owner BLOB NOT NULL, lease_until INTEGER NOT NULL,
  fence INTEGER NOT NULL, created_at INTEGER NOT NULL, mac BLOB NOT NULL, version INTEGER NOT NULL,
  UNIQUE (user_id, type)
) STRICT;
CREATE INDEX grants_account ON grants(app, account_id) WHERE account_id <> '';
CREATE INDEX grants_app ON grants(app);
CREATE INDEX grants_state ON grants(state);
CREATE INDEX grants_due ON grants(due_at) WHERE due_at IS NOT NULL;

CREATE TABLE generations (
  grant_id BLOB NOT NULL REFERENCES grants(id) ON DELETE CASCADE, number INTEGER NOT NULL, state INTEGER NOT NULL,
  intent BLOB NOT NULL, refresh_sealed BLOB NOT NULL, access_sealed BLOB NOT NULL, access_expires_at INTEGER,
  issued_at INTEGER NOT NULL, proven_at INTEGER,
  PRIMARY KEY (grant_id, number)
) STRICT;

CREATE TABLE wraps (
  grant_id BLOB NOT NULL REFERENCES grants(id) ON DELETE CASCADE, holder_kind INTEGER NOT NULL, holder BLOB NOT NULL,
  private_key_sealed BLOB NOT NULL, created_at INTEGER NOT NULL,
  PRIMARY KEY (grant_id, holder_kind, holder)
) STRICT, WITHOUT ROWID;

CREATE TABLE intents (
  id BLOB PRIMARY KEY NOT NULL, grant_id BLOB NOT NULL,  -- no reference: the first code exchange precedes its grant
  generation INTEGER NOT NULL, node BLOB NOT NULL, fence INTEGER NOT NULL, state INTEGER NOT NULL,
  attempts INTEGER NOT NULL, opened_at INTEGER NOT NULL, settled_at INTEGER NOT NULL, outcome TEXT NOT NULL,
  version INTEGER NOT NULL,
  UNIQUE (grant_id, generation)
) STRICT, WITHOUT ROWID;
CREATE INDEX intents_unsettled ON intents(opened_at) WHERE state IN (0, 1);

CREATE TABLE authorizations (
  id BLOB PRIMARY KEY NOT NULL, state INTEGER NOT NULL, ticket_hash BLOB NOT NULL, state_hash BLOB NOT NULL,
  username_key TEXT NOT NULL, created_by BLOB NOT NULL, record_sealed BLOB NOT NULL, result_json TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX authorizations_username ON authorizations(username_key) WHERE state = 0 AND username_key <> '';
CREATE INDEX authorizations_ticket ON authorizations(ticket_hash) WHERE ticket_hash <> x'';
CREATE INDEX authorizations_state ON authorizations(state_hash) WHERE state_hash <> x'';
CREATE INDEX authorizations_expiry ON authorizations(expires_at);

CREATE TABLE handouts (
  grant_id BLOB NOT NULL REFERENCES grants(id) ON DELETE CASCADE, minute INTEGER NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (grant_id, minute)
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kAudit = R"sql(
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  subject TEXT NOT NULL, user_id BLOB NOT NULL, source TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_user ON audit(user_id);
CREATE INDEX audit_action ON audit(action);
CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_keeps_words BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
)sql";

constexpr const char* kNodes = R"sql(
CREATE TABLE nodes (
  id BLOB PRIMARY KEY NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, run BLOB NOT NULL, started_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL
) STRICT;
)sql";

// grants_state becomes a list of types by state; neither is touched by a refresh. An event's sequence counts within its grant.
constexpr const char* kForesight = R"sql(
DROP INDEX grants_state;
CREATE INDEX grants_state ON grants(state, type);

CREATE TABLE grant_events (
  grant_id BLOB NOT NULL REFERENCES grants(id) ON DELETE CASCADE, sequence INTEGER NOT NULL, at INTEGER NOT NULL,
  last_at INTEGER NOT NULL, kind INTEGER NOT NULL, count INTEGER NOT NULL, generation INTEGER NOT NULL, status INTEGER NOT NULL,
  error TEXT NOT NULL, detail TEXT NOT NULL, actor TEXT NOT NULL,
  PRIMARY KEY (grant_id, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE revocations (
  id BLOB PRIMARY KEY NOT NULL, grant_id BLOB NOT NULL, app TEXT NOT NULL, subject TEXT NOT NULL, record_sealed BLOB NOT NULL,
  attempts INTEGER NOT NULL, due_at INTEGER NOT NULL, created_at INTEGER NOT NULL, why TEXT NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE INDEX revocations_due ON revocations(due_at);

CREATE TABLE tallies (
  name TEXT NOT NULL, at INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (name, at)
) STRICT, WITHOUT ROWID;
)sql";

// No references: a delivery outlives its connector, its grant and who submitted it, as a record of what became of the document.
constexpr const char* kDelivery = R"sql(
CREATE TABLE connectors (
  id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, account INTEGER NOT NULL, owner_id BLOB NOT NULL,
  group_ids TEXT NOT NULL, devices TEXT NOT NULL, target_json TEXT NOT NULL, naming TEXT NOT NULL, conflict_rule INTEGER NOT NULL,
  size_bytes_max INTEGER NOT NULL, enabled INTEGER NOT NULL, created_at INTEGER NOT NULL, mac BLOB NOT NULL, version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
  id BLOB PRIMARY KEY NOT NULL, connector TEXT NOT NULL, submitter_id BLOB NOT NULL, grant_id BLOB NOT NULL, node BLOB NOT NULL,
  state INTEGER NOT NULL, name TEXT NOT NULL, content_type TEXT NOT NULL, size_bytes INTEGER NOT NULL, sha256 BLOB NOT NULL,
  document_key_sealed BLOB NOT NULL, public_key BLOB NOT NULL, private_key_sealed BLOB NOT NULL, tries INTEGER NOT NULL,
  due_at INTEGER NOT NULL, resume_point TEXT NOT NULL, sent_bytes INTEGER NOT NULL, why TEXT NOT NULL, receipt_json TEXT NOT NULL,
  timeline_json TEXT NOT NULL, source TEXT NOT NULL, created_at INTEGER NOT NULL, finished_at INTEGER NOT NULL, mac BLOB NOT NULL,
  version INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_due ON deliveries(node, due_at) WHERE state <= 2;
CREATE INDEX deliveries_state ON deliveries(state, size_bytes);
CREATE INDEX deliveries_submitter ON deliveries(submitter_id, id);
)sql";

// A standing delegation's columns are empty where there is none. A device's name is unique among devices here, and apart from the
// usernames by the mutations.
constexpr const char* kDevices = R"sql(
ALTER TABLE connectors DROP COLUMN devices;
ALTER TABLE connectors ADD COLUMN delegation_id BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';
ALTER TABLE connectors ADD COLUMN delegation_grant BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';
ALTER TABLE connectors ADD COLUMN delegation_public_key BLOB NOT NULL DEFAULT x'';
ALTER TABLE connectors ADD COLUMN delegation_key_sealed BLOB NOT NULL DEFAULT x'';
ALTER TABLE connectors ADD COLUMN delegated_at INTEGER NOT NULL DEFAULT 0;

ALTER TABLE deliveries ADD COLUMN device_id BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';
ALTER TABLE deliveries ADD COLUMN fields_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deliveries ADD COLUMN idempotency_key TEXT NOT NULL DEFAULT '';
CREATE INDEX deliveries_device ON deliveries(device_id, id) WHERE device_id <> x'00000000000000000000000000000000';
CREATE UNIQUE INDEX deliveries_key ON deliveries(idempotency_key, submitter_id, device_id) WHERE idempotency_key <> '';

CREATE TABLE devices (
  id BLOB PRIMARY KEY NOT NULL, name TEXT NOT NULL, name_key TEXT NOT NULL UNIQUE, secret_hash BLOB NOT NULL,
  connectors TEXT NOT NULL, recipient_domains TEXT NOT NULL, allowed_sources TEXT NOT NULL, uses INTEGER NOT NULL,
  enabled INTEGER NOT NULL, secret_set_at INTEGER NOT NULL, created_at INTEGER NOT NULL, last_seen_at INTEGER NOT NULL,
  last_source TEXT NOT NULL, last_error_at INTEGER NOT NULL, last_error TEXT NOT NULL, mac BLOB NOT NULL, version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

// Grants of accounts that the provider never named; few, or all of an app.
constexpr const char* kUnnamed = R"sql(
CREATE INDEX grants_unnamed ON grants(app) WHERE account_id = '';
)sql";

// A step's place is its version: applied steps are never edited, new ones go at the end.
struct Step {
  const char* what;
  std::initializer_list<const char*> scripts;
};
const Step kSteps[] = {
    {"the first schema", {kPeople, kGrants, kAudit}},
    {"nodes", {kNodes}},
    {"foresight and revocations", {kForesight}},
    {"connectors and deliveries", {kDelivery}},
    {"devices", {kDevices}},
    {"accounts that were never named", {kUnnamed}},
};

constexpr std::int64_t kWholeCheckBytesMax = 16 << 20;

std::unexpected<Error> damaged(const std::string& path, std::string detail) {
  return fail(ErrorKind::corrupt, "store_corrupt",
              fmt::format("{} is damaged or no Latchkey database; it was left untouched. With the server stopped, run `latchkey restore BACKUP "
                          "--replace` on this data directory as it lies (its journal holds tokens that are newer than the backup's), or name "
                          "another directory (--data).",
                          path),
              {.detail = std::move(detail)});
}

std::string info(Connection& connection, std::string_view key) {
  std::string value;
  auto statement = connection.prepare("SELECT value FROM store_info WHERE key = ?1");
  statement.bind(key);
  if (statement.row()) statement.read(value);
  return value;
}

std::unexpected<Error> from_the_future(Connection& connection, const std::string& path, std::int64_t schema,
                                       const std::string& program_version) {
  auto writer = info(connection, "written_by");
  if (writer.empty()) writer = "a newer version";
  return fail(ErrorKind::corrupt, "future_schema",
              fmt::format("{} was last written by Latchkey {} (schema {}); this is Latchkey {}, which reads schemas up to {}. "
                          "Nothing was changed. Start Latchkey {} or newer, or restore a backup that this version made.",
                          path, writer, schema, program_version, schema_version(), writer),
              {.detail = fmt::format("schema {} is newer than {}", schema, schema_version())});
}

// Whole files while that is quick, else the small tables everything else depends on; the rest is checked as it is read.
Result<void> check_pages(Connection& connection, const std::string& path) {
  const auto pages = connection.number("PRAGMA page_count");
  if (!pages) return std::unexpected(pages.error());
  const auto page_bytes = connection.number("PRAGMA page_size");
  if (!page_bytes) return std::unexpected(page_bytes.error());
  const bool whole = *pages * *page_bytes <= kWholeCheckBytesMax;
  for (const char* sql : {"PRAGMA quick_check('store_info')", "PRAGMA quick_check('meta')", "PRAGMA quick_check('settings')",
                          "PRAGMA quick_check('user_groups')", "PRAGMA quick_check('apps')", "PRAGMA quick_check(5)"}) {
    if (!whole && std::string_view(sql).ends_with("(5)")) break;
    const auto failed_before = connection.failed_reads();
    auto statement = connection.prepare(sql);
    std::string finding;
    if (statement.row()) statement.read(finding);
    // The check names the pages that it could not get, and calls that a finding like any other.
    if (connection.failed_reads() > failed_before) return std::unexpected(error_of(SQLITE_IOERR_READ, finding));
    if (statement.failed() && error_of(statement.code(), "").kind != ErrorKind::corrupt) return statement.failure();
    if (statement.failed()) return damaged(path, statement.message());
    if (finding != "ok") return damaged(path, finding);
  }
  return {};
}

}  // namespace

std::int64_t schema_version() { return static_cast<std::int64_t>(std::size(kSteps)); }

Result<void> inspect(Connection& connection, const std::string& path, const std::string& program_version) {
  const auto tables = connection.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) {
    if (tables.error().kind == ErrorKind::corrupt) return damaged(path, tables.error().detail);
    return std::unexpected(tables.error());
  }
  const auto application = connection.number("PRAGMA application_id");
  const auto schema = connection.number("PRAGMA user_version");
  if (!application) return std::unexpected(application.error());
  if (!schema) return std::unexpected(schema.error());
  if (*tables == 0 && *application == 0 && *schema == 0) return {};  // new
  if (*application != kApplicationId) return damaged(path, fmt::format("application_id is {:#x}", *application));
  if (*schema > schema_version()) return from_the_future(connection, path, *schema, program_version);
  return check_pages(connection, path);
}

Result<void> migrate(Connection& connection, const std::string& program_version, WallTime now) {
  // Where the log cannot be had (some network file systems), SQLite goes on without it and says so; what the store promises
  // about durability rests on it.
  std::string mode;
  if (auto pragma = connection.prepare("PRAGMA journal_mode = WAL"); pragma.row()) pragma.read(mode);
  if (mode != "wal") {
    return fail(ErrorKind::unavailable, "store_unavailable",
                "The database cannot be switched to its write-ahead log: its file system does not offer what that needs. Put the data "
                "directory on a local disk.");
  }
  const auto found = connection.number("PRAGMA user_version");
  if (!found) return std::unexpected(found.error());
  for (auto version = *found; version < schema_version(); ++version) {
    std::string script = "BEGIN IMMEDIATE;";
    for (const char* part : kSteps[version].scripts) script += part;
    script += fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;", kApplicationId, version + 1);
    if (auto done = connection.run_script(script); !done) {
      if (connection.in_transaction()) connection.prepare("ROLLBACK").run();
      auto error = done.error();
      error.text = fmt::format("The database could not be brought to schema {} ({}): {}", version + 1, kSteps[version].what,
                               error.text);
      return std::unexpected(std::move(error));
    }
  }
  if (info(connection, "written_by") == program_version) return {};
  auto statement = connection.prepare(
      "INSERT INTO store_info(key, value) VALUES ('written_by', ?1), ('written_since', ?2) "
      "ON CONFLICT(key) DO UPDATE SET value = excluded.value");
  statement.bind(program_version, base::to_rfc3339(now)).run();
  if (statement.failed()) return statement.failure();
  return {};
}

}  // namespace latchkey::store::sqlite
