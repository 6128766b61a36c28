// A batch as statements: what is sent, and what a refusal of each means. Nothing is read beforehand: a statement that finds
// other than it expects fails by itself.
#pragma once

#include <string>
#include <vector>

#include "store/postgres/connection.h"
#include "store/store.h"

namespace latchkey::store::postgres {

// What a broken reference means in the statement it breaks.
enum class Reference : std::uint8_t { none, group_gone, user_gone, grant_gone, group_in_use };

struct Write {
  Query query;
  Reference reference = Reference::none;
};

struct Plan {
  std::vector<Write> writes;
  std::vector<AuditEntry> audit;  // appended last, so that the head of the trail is held shortly
};

// `now`: nullopt for the database's own clock.
[[nodiscard]] Plan plan_of(const Batch& batch, std::optional<WallTime> now);

// Takes a lock that is always there to be taken: whoever must be one after the other asks for it (what is absent cannot be locked).
inline constexpr std::string_view kOneAtATime = "SELECT 1 FROM store_info WHERE key = 'schema' FOR UPDATE";

// The refusal in the terms of Mutation (store.h), or what error_of(Failure) says.
[[nodiscard]] Error refusal_of(const Failure& failure, Reference reference);

// Milliseconds since 1970 by parameter `$n`, or by the database's clock where it is NULL.
#define LATCHKEY_NOW(n) "coalesce(" n ", CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT))"
#define LATCHKEY_NOBODY "'00000000-0000-0000-0000-000000000000'"

// The plans of one mutation each; they add to `plan`. plan_people.cpp
void add(Plan& plan, std::optional<WallTime> now, const InsertGroup& m);
void add(Plan& plan, std::optional<WallTime> now, const UpdateGroup& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteGroup& m);
void add(Plan& plan, std::optional<WallTime> now, const KeepAnAdministrator& m);
void add(Plan& plan, std::optional<WallTime> now, const InsertUser& m);
void add(Plan& plan, std::optional<WallTime> now, const UpdateUser& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteUser& m);
void add(Plan& plan, std::optional<WallTime> now, const PutSession& m);
void add(Plan& plan, std::optional<WallTime> now, const TouchSession& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteSession& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteSessionsOfUser& m);
void add(Plan& plan, std::optional<WallTime> now, const RecordPinFailure& m);
void add(Plan& plan, std::optional<WallTime> now, const ForgetPinFailures& m);
void add(Plan& plan, std::optional<WallTime> now, const PutKnownSource& m);
void add(Plan& plan, std::optional<WallTime> now, const TouchUser& m);
// plan_grants.cpp
void add(Plan& plan, std::optional<WallTime> now, const InsertGrant& m);
void add(Plan& plan, std::optional<WallTime> now, const UpdateGrant& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteGrant& m);
void add(Plan& plan, std::optional<WallTime> now, const ClaimGrant& m);
void add(Plan& plan, std::optional<WallTime> now, const PutGeneration& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteGeneration& m);
void add(Plan& plan, std::optional<WallTime> now, const PutWrap& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteWrap& m);
void add(Plan& plan, std::optional<WallTime> now, const InsertIntent& m);
void add(Plan& plan, std::optional<WallTime> now, const UpdateIntent& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteIntentsBelow& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteIntentsOf& m);
void add(Plan& plan, std::optional<WallTime> now, const TouchGrant& m);
void add(Plan& plan, std::optional<WallTime> now, const CountHandouts& m);
// plan_foresight.cpp
void add(Plan& plan, std::optional<WallTime> now, const NoteGrantEvent& m);
void add(Plan& plan, std::optional<WallTime> now, const PutRevocation& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteRevocation& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteRevocationOfSwitchedOff& m);
void add(Plan& plan, std::optional<WallTime> now, const AddTally& m);
// plan_delivery.cpp
void add(Plan& plan, std::optional<WallTime> now, const PutConnector& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteConnector& m);
void add(Plan& plan, std::optional<WallTime> now, const PutDelivery& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteDelivery& m);
// plan_devices.cpp
void expect_no_device_named(Plan& plan, const std::string& name_key);  // conflict/`exists`, field `username`
void add(Plan& plan, std::optional<WallTime> now, const PutDevice& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteDevice& m);
void add(Plan& plan, std::optional<WallTime> now, const TouchDevice& m);
// plan_server.cpp
void add(Plan& plan, std::optional<WallTime> now, const PutApp& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteApp& m);
void add(Plan& plan, std::optional<WallTime> now, const InsertAuthorization& m);
void add(Plan& plan, std::optional<WallTime> now, const UpdateAuthorization& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteAuthorization& m);
void add(Plan& plan, std::optional<WallTime> now, const PutSetting& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteSetting& m);
void add(Plan& plan, std::optional<WallTime> now, const AppendAudit& m);
void add(Plan& plan, std::optional<WallTime> now, const PutNode& m);
void add(Plan& plan, std::optional<WallTime> now, const TouchNode& m);
void add(Plan& plan, std::optional<WallTime> now, const DeleteNode& m);
void add(Plan& plan, std::optional<WallTime> now, const PutMeta& m);
void add(Plan& plan, std::optional<WallTime> now, const CompareMeta& m);

}  // namespace latchkey::store::postgres
