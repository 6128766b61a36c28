// Private to the mutations: what a write statement's outcome means, and the row of the users' list.
#pragma once

#include <string>
#include <string_view>

#include "store/refusals.h"
#include "store/sqlite/connection.h"
#include "store/store.h"

namespace latchkey::store::sqlite {

// The outcome of an INSERT or of an UPDATE of unique columns: conflict/`exists` naming the column,
// not_found/`gone` with `parent` for a broken reference.
[[nodiscard]] Result<void> outcome_of(const Statement& statement, std::string_view parent);

// One row must have been changed by an UPDATE ... WHERE id = ? AND version = ?. If none was: conflict/`version` or
// not_found/`gone`, as `version_sql` (bound to the same id) finds a row or not.
template <class Id>
[[nodiscard]] Result<void> expect_changed(Connection& db, std::int64_t changed, std::string_view version_sql, const Id& id,
                                          std::string_view field) {
  if (changed > 0) return {};
  auto statement = db.prepare(version_sql);
  statement.bind(id);
  if (statement.row()) return other_version();
  if (statement.failed()) return statement.failure();
  return gone(field);
}

// Writes search text and summary of the user's row in the list anew, from the user and the grants as they are now.
[[nodiscard]] Result<void> refresh_listing(Connection& db, const UserId& user);

// mutations_people.cpp
[[nodiscard]] Result<void> change(Connection&, WallTime, const InsertGroup&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const UpdateGroup&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteGroup&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const KeepAnAdministrator&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const InsertUser&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const UpdateUser&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteUser&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutSession&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const TouchSession&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteSession&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteSessionsOfUser&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const RecordPinFailure&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const ForgetPinFailures&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutKnownSource&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const TouchUser&);
// mutations_grants.cpp
[[nodiscard]] Result<void> change(Connection&, WallTime, const InsertGrant&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const UpdateGrant&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteGrant&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const ClaimGrant&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutGeneration&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteGeneration&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutWrap&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteWrap&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const InsertIntent&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const UpdateIntent&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteIntentsBelow&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteIntentsOf&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const TouchGrant&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const CountHandouts&);
// mutations_foresight.cpp
[[nodiscard]] Result<void> change(Connection&, WallTime, const NoteGrantEvent&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutRevocation&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteRevocation&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteRevocationOfSwitchedOff&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const AddTally&);
// mutations_delivery.cpp
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutConnector&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteConnector&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutDelivery&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteDelivery&);
// mutations_devices.cpp
[[nodiscard]] Result<void> expect_no_device_named(Connection& db, const std::string& name_key);  // conflict/`exists`, field `username`
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutDevice&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteDevice&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const TouchDevice&);
// mutations_server.cpp
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutApp&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteApp&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const InsertAuthorization&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const UpdateAuthorization&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteAuthorization&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutSetting&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteSetting&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const AppendAudit&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutNode&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const TouchNode&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const DeleteNode&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const PutMeta&);
[[nodiscard]] Result<void> change(Connection&, WallTime, const CompareMeta&);

}  // namespace latchkey::store::sqlite
