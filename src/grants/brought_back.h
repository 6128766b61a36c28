// Steps made of an answer out of a journal: it came long ago, and others may have gone on since.
#pragma once

#include "grants/lifecycle.h"

namespace latchkey::grants {

// It settled its attempt, and brought its token, when it came: what another journal holds may be newer.
void stamp(Step& step, WallTime came_at);
// Another node has an exchange of its own under way by the same intent: the lease is that one's until it is over. `before`: the grant
// as it stands.
void leave_lease(Step& step, const store::Grant& before);
// It says nothing of what has come since: candidates stay, but for one that is what it brought.
void spare_candidates(Step& step, const store::GrantView& view, const Secret* brought, const Sealing& sealing);

}  // namespace latchkey::grants
