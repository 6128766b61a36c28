// What the keeper writes down of a grant for people.
#include <utility>

#include "grants/grant_events.h"
#include "grants/keeper.h"

namespace latchkey::grants {

// What a person reads on the grant's page: turns for better or worse, not every refresh.
void Keeper::add_history(Step& step, const store::Grant& before, const ExchangeOutcome* outcome) const {
  using store::GrantState;
  const auto& after = step.grant;
  if (auto event = event_of(before, after, outcome, parts_.wall.now())) step.batch.push_back(std::move(*event));
  const auto add = [&](std::string action, std::string detail) {
    step.batch.push_back(store::AppendAudit{{.at = parts_.wall.now(), .actor = "keeper", .action = std::move(action),
                                             .subject = after.type + " " + after.account_name, .user = after.user, .detail = std::move(detail)}});
  };
  if (after.missing_scopes != before.missing_scopes) {
    auto words = after.missing_scopes.empty() ? "All scopes asked for are granted." : "Missing: " + after.missing_scopes;
    step.batch.push_back(deed(after, store::GrantEventKind::scopes_changed, parts_.wall.now(), {}, words));
    add("grant.scopes_changed", std::move(words));
  }
  if (after.state == before.state) return;
  switch (after.state) {
    case GrantState::needs_authorization: add("grant.needs_authorization", after.why); break;
    case GrantState::uncertain: add("grant.uncertain", after.why); break;
    case GrantState::unreachable: add("grant.unreachable", after.why); break;
    case GrantState::paused: add("grant.paused", after.why); break;
    case GrantState::active: add("grant.recovered", "Fresh again."); break;
    case GrantState::held:
    case GrantState::disabled:
    case GrantState::revoked: break;  // people's doing, written where they do it
  }
}

}  // namespace latchkey::grants
