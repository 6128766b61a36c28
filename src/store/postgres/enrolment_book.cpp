#include "store/postgres/enrolment_book.h"

namespace latchkey::store::postgres {
namespace {

#define LATCHKEY_OFFICE_COLUMNS                                                                               \
  "id, label, types, flows_per_minute, code_digest, issued_at, code_ends_at, enrolled_at, revoked_at, keys, " \
  "return_origins, verified_name, verified_at"

template <class Office>
auto fields_of(Office& office) {
  return std::tie(office.id, office.label, office.types, office.flows_per_minute, office.code_digest, office.issued_at,
                  office.code_ends_at, office.enrolled_at, office.revoked_at, office.keys, office.return_origins,
                  office.verified_name, office.verified_at);
}

std::optional<EnrolledOffice> next_of(Rows& rows) {
  if (!rows.row()) return std::nullopt;
  EnrolledOffice office;
  rows.read(fields_of(office));
  return office;
}

}  // namespace

PostgresEnrolmentBook::PostgresEnrolmentBook(std::shared_ptr<const Place> place, std::unique_ptr<Connection> first, Log& log)
    : line_(std::move(place), log) {
  line_.adopt(std::move(first));
}

Result<std::vector<EnrolledOffice>> PostgresEnrolmentBook::all() {
  auto rows = line_.ask({"SELECT " LATCHKEY_OFFICE_COLUMNS " FROM relay_offices ORDER BY issued_at, id"});
  if (!rows) return std::unexpected(rows.error());
  std::vector<EnrolledOffice> offices;
  while (auto office = next_of(*rows)) offices.push_back(std::move(*office));
  return offices;
}

Result<void> PostgresEnrolmentBook::issue(const EnrolledOffice& office) {
  const auto issued = line_.changes(
      {"INSERT INTO relay_offices(" LATCHKEY_OFFICE_COLUMNS
       ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING RETURNING 1",
       Values().add(fields_of(office))});
  if (!issued) return std::unexpected(issued.error());
  if (!*issued) return office_exists();
  return {};
}

Result<EnrolledOffice> PostgresEnrolmentBook::redeem(const OfficeId& id, ByteView code_digest, const std::string& keys,
                                                     const std::vector<std::string>& return_origins, WallTime now) {
  // Looked at first without a lock: strangers' guesses wait for no writer, and make none wait.
  auto seen = line_.ask({"SELECT " LATCHKEY_OFFICE_COLUMNS " FROM relay_offices WHERE id = $1", Values(id)});
  if (!seen) return std::unexpected(seen.error());
  if (const auto may = may_redeem(next_of(*seen), code_digest, keys, return_origins, now); !may)
    return std::unexpected(may.error());
  // Of two at once the second finds no such row.
  auto redeemed =
      line_.ask({"UPDATE relay_offices SET keys = $2, return_origins = $3, enrolled_at = coalesce(enrolled_at, $4) "
                 "WHERE id = $1 AND revoked_at IS NULL AND (enrolled_at IS NULL OR (keys = $2 AND return_origins = $3)) "
                 "RETURNING " LATCHKEY_OFFICE_COLUMNS,
                 Values(id, keys, return_origins, now)});
  if (!redeemed) return std::unexpected(redeemed.error());
  auto office = next_of(*redeemed);
  if (!office) return code_unknown();
  return *std::move(office);
}

Result<void> PostgresEnrolmentBook::put_verified_name(const OfficeId& id, const std::string& name, WallTime now) {
  const auto put = line_.changes(
      {"UPDATE relay_offices SET verified_name = $2, verified_at = $3 WHERE id = $1 RETURNING 1", Values(id, name, now)});
  if (!put) return std::unexpected(put.error());
  if (!*put) return no_such_office();
  return {};
}

Result<bool> PostgresEnrolmentBook::take_back_verified_name(const OfficeId& id) {
  return line_.changes(
      {"UPDATE relay_offices SET verified_name = '', verified_at = NULL WHERE id = $1 AND verified_at IS NOT NULL RETURNING "
       "1",
       Values(id)});
}

Result<void> PostgresEnrolmentBook::revoke(const OfficeId& id, WallTime now) {
  const auto revoked = line_.changes(
      {"UPDATE relay_offices SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1 RETURNING 1", Values(id, now)});
  if (!revoked) return std::unexpected(revoked.error());
  if (!*revoked) return no_such_office();
  return {};
}

}  // namespace latchkey::store::postgres
