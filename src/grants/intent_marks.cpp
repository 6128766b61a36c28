// What a restore, or a journal that cannot be read, leaves at an intent (lifecycle.h).
#include <algorithm>

#include "grants/lifecycle.h"

namespace latchkey::grants {

using store::IntentState;

store::Batch mark_restored(const store::GrantView& view, IntentId fresh_id, WallTime backup_at, WallTime now) {
  store::Batch batch;
  const auto* current = current_of(view);
  if (current == nullptr || current->refresh_sealed.empty()) return batch;
  store::Intent intent{.id = fresh_id, .grant = view.grant.id, .generation = view.grant.generation, .opened_at = now};
  if (view.intent) intent = *view.intent;
  intent.state = IntentState::restored;
  intent.attempts = std::max(1, intent.attempts);  // what waited when the backup was made may have been sent since
  intent.settled_at = now;
  intent.outcome = "This server was restored from a backup of " + base::to_rfc3339(backup_at) +
                   ", and the refresh token in it may have been used since: sending it again could end the grant. Authorise "
                   "the account again";
  if (view.intent) {
    batch.push_back(store::UpdateIntent{std::move(intent)});
  } else {
    batch.push_back(store::InsertIntent{std::move(intent)});
  }
  return batch;
}

store::Intent mark_awaiting(const store::Grant& grant, IntentId fresh_id, std::string_view nodes, WallTime now) {
  return {.id = fresh_id, .grant = grant.id, .generation = grant.generation, .state = IntentState::restored, .attempts = 0, .opened_at = now,
          .settled_at = now,
          .outcome = "The database was restored, and a newer token may be in the journal of a server that has not started since (" +
                     std::string(nodes) + "): nothing is sent before it has"};
}

store::Mutation mark_unread(const store::GrantView& view, IntentId fresh_id, NodeId node, WallTime answered_at) {
  constexpr auto kWhy = "A server's journal has an answer to this attempt that cannot be read.";
  if (!view.intent) {
    return store::InsertIntent{{.id = fresh_id, .grant = view.grant.id, .generation = view.grant.generation, .node = node,
                                .state = IntentState::ambiguous, .opened_at = answered_at, .outcome = kWhy}};
  }
  auto intent = *view.intent;
  intent.state = IntentState::ambiguous;
  intent.opened_at = std::min(intent.opened_at, answered_at);
  intent.settled_at = {};
  intent.outcome = kWhy;
  return store::UpdateIntent{std::move(intent)};
}

bool awaits_journals(const store::Intent& intent) { return intent.state == IntentState::restored && intent.attempts == 0; }

void lift_awaiting(store::GrantView& view) {
  if (!view.intent || !awaits_journals(*view.intent)) return;
  view.intent->state = IntentState::not_sent;
  view.intent->attempts = 1;
}

}  // namespace latchkey::grants
