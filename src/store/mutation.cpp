#include "store/store.h"

namespace latchkey::store {

template <class Kind>
Mutation::Mutation(Kind kind) : AnyMutation(std::in_place_type<Kind>, std::move(kind)) {}

Mutation::Mutation(const Mutation& other) = default;
Mutation::Mutation(Mutation&& other) noexcept = default;
Mutation& Mutation::operator=(const Mutation& other) = default;
Mutation& Mutation::operator=(Mutation&& other) noexcept = default;
Mutation::~Mutation() = default;

// Each kind; one that is missing is named by the linker.
template Mutation::Mutation(InsertGroup);
template Mutation::Mutation(UpdateGroup);
template Mutation::Mutation(DeleteGroup);
template Mutation::Mutation(KeepAnAdministrator);
template Mutation::Mutation(InsertUser);
template Mutation::Mutation(UpdateUser);
template Mutation::Mutation(DeleteUser);
template Mutation::Mutation(PutApp);
template Mutation::Mutation(DeleteApp);
template Mutation::Mutation(InsertGrant);
template Mutation::Mutation(UpdateGrant);
template Mutation::Mutation(DeleteGrant);
template Mutation::Mutation(ClaimGrant);
template Mutation::Mutation(PutGeneration);
template Mutation::Mutation(DeleteGeneration);
template Mutation::Mutation(PutWrap);
template Mutation::Mutation(DeleteWrap);
template Mutation::Mutation(InsertIntent);
template Mutation::Mutation(UpdateIntent);
template Mutation::Mutation(DeleteIntentsBelow);
template Mutation::Mutation(DeleteIntentsOf);
template Mutation::Mutation(InsertAuthorization);
template Mutation::Mutation(UpdateAuthorization);
template Mutation::Mutation(DeleteAuthorization);
template Mutation::Mutation(PutSession);
template Mutation::Mutation(TouchSession);
template Mutation::Mutation(DeleteSession);
template Mutation::Mutation(DeleteSessionsOfUser);
template Mutation::Mutation(PutSetting);
template Mutation::Mutation(DeleteSetting);
template Mutation::Mutation(AppendAudit);
template Mutation::Mutation(RecordPinFailure);
template Mutation::Mutation(ForgetPinFailures);
template Mutation::Mutation(PutKnownSource);
template Mutation::Mutation(TouchUser);
template Mutation::Mutation(TouchGrant);
template Mutation::Mutation(CountHandouts);
template Mutation::Mutation(NoteGrantEvent);
template Mutation::Mutation(PutRevocation);
template Mutation::Mutation(DeleteRevocation);
template Mutation::Mutation(DeleteRevocationOfSwitchedOff);
template Mutation::Mutation(AddTally);
template Mutation::Mutation(PutNode);
template Mutation::Mutation(TouchNode);
template Mutation::Mutation(DeleteNode);
template Mutation::Mutation(PutConnector);
template Mutation::Mutation(DeleteConnector);
template Mutation::Mutation(PutDelivery);
template Mutation::Mutation(DeleteDelivery);
template Mutation::Mutation(PutDevice);
template Mutation::Mutation(DeleteDevice);
template Mutation::Mutation(TouchDevice);
template Mutation::Mutation(PutMeta);
template Mutation::Mutation(CompareMeta);

}  // namespace latchkey::store
