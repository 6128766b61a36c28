#include "store/postgres/relay_schema.h"

#include <fmt/format.h>

#include "store/postgres/migration.h"

namespace latchkey::store::postgres {
namespace {

constexpr const char* kBooks = R"sql(
CREATE TABLE relay_offices (
  id UUID CONSTRAINT relay_offices_pkey PRIMARY KEY, label TEXT NOT NULL, types TEXT NOT NULL,
  flows_per_minute BIGINT NOT NULL, code_digest BYTEA NOT NULL, issued_at BIGINT NOT NULL, code_ends_at BIGINT NOT NULL,
  enrolled_at BIGINT, revoked_at BIGINT, keys TEXT NOT NULL, return_origins TEXT NOT NULL, verified_name TEXT NOT NULL,
  verified_at BIGINT
);

CREATE TABLE relay_exchanges (
  office UUID NOT NULL, intent UUID NOT NULL, turn BIGINT NOT NULL, state BIGINT NOT NULL, reply BYTEA NOT NULL,
  changed_at BIGINT NOT NULL, owner UUID NOT NULL, claim BIGINT NOT NULL, claim_ends_at BIGINT NOT NULL,
  CONSTRAINT relay_exchanges_pkey PRIMARY KEY (office, intent)
);
CREATE INDEX relay_exchanges_by_age ON relay_exchanges(state, changed_at);
CREATE INDEX relay_exchanges_waiting ON relay_exchanges(office) WHERE state IN (0, 1, 2);

CREATE TABLE relay_nonces (
  office UUID NOT NULL, nonce BYTEA NOT NULL, used_at BIGINT NOT NULL, owner UUID NOT NULL, claim BIGINT NOT NULL,
  CONSTRAINT relay_nonces_pkey PRIMARY KEY (office, nonce)
);
CREATE INDEX relay_nonces_by_age ON relay_nonces(used_at);
)sql";

const MigrationStep kSteps[] = {
    {"the books of the Cloud Service", {kBooks}},
};

std::string hex(const Bytes& octets) {
  std::string text;
  for (const auto octet : octets) text += fmt::format("{:02x}", octet);
  return text;
}

}  // namespace

Result<void> bring_relay_up_to_date(Connection& connection, const Place& place, const std::string& program_version) {
  return migrate(connection, place, {.info = "relay_info", .steps = kSteps}, program_version);
}

Result<void> claim_books_for(Connection& connection, const Place& place, const Bytes& service) {
  const auto ours = hex(service);
  const auto put = connection.ask(
      {"INSERT INTO relay_info(key, value) VALUES ('service', $1) ON CONFLICT (key) DO NOTHING", Values(ours)});
  if (!put) return std::unexpected(put.error());
  auto rows = connection.ask({"SELECT value FROM relay_info WHERE key = 'service'"});
  if (!rows) return std::unexpected(rows.error());
  std::string theirs;
  if (rows->row()) rows->read(theirs);
  if (theirs == ours) return {};
  return fail(
      ErrorKind::misconfigured, "other_service",
      fmt::format(
          "The database {} holds the books of a Cloud Service with other keys. Copy relay.keys from an instance of that "
          "service into this one's data directory, or name another database in `store`; nothing was changed.",
          place.display),
      {.field = "store"});
}

}  // namespace latchkey::store::postgres
