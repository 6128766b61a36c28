#include "grants/grant_events.h"

#include "oauth/redaction.h"

namespace latchkey::grants {
namespace {

using store::GrantEventKind;

GrantEventKind kind_of(oauth::RefreshOutcome outcome, const store::Grant& after) {
  switch (outcome) {
    case oauth::RefreshOutcome::refreshed: return GrantEventKind::refreshed;
    case oauth::RefreshOutcome::dead_grant:
      return after.state == store::GrantState::needs_authorization ? GrantEventKind::needs_authorization : GrantEventKind::refused;
    case oauth::RefreshOutcome::misconfigured_app: return GrantEventKind::paused;
    case oauth::RefreshOutcome::transient:
    case oauth::RefreshOutcome::too_early: return GrantEventKind::failed;
    case oauth::RefreshOutcome::ambiguous: return GrantEventKind::ambiguous;
  }
  return GrantEventKind::failed;
}

}  // namespace

std::optional<store::NoteGrantEvent> event_of(const store::Grant& before, const store::Grant& after, const ExchangeOutcome* outcome,
                                              WallTime now) {
  store::GrantEvent event{.grant = after.id, .at = now, .last_at = now, .generation = after.generation};
  if (outcome == nullptr) {
    const bool asked_for = after.state == store::GrantState::needs_authorization;  // after a restore (RULES F10)
    event.kind = asked_for ? GrantEventKind::needs_authorization : GrantEventKind::ambiguous;
    event.detail = asked_for ? after.why : "The server stopped before the answer came.";
    return store::NoteGrantEvent{std::move(event), true};
  }
  if (const auto* replied = std::get_if<Replied>(outcome)) {
    const auto result = replied->classified.outcome;
    if (result == oauth::RefreshOutcome::too_early) return std::nullopt;
    if (result == oauth::RefreshOutcome::refreshed) {
      const bool tried_next = after.state == store::GrantState::uncertain;
      if (after.generation == before.generation || tried_next) return std::nullopt;  // kept as a candidate
      const bool first_of_day = std::chrono::floor<std::chrono::days>(before.last_refreshed_at) < std::chrono::floor<std::chrono::days>(now);
      const bool recovered = before.failures > 0 || before.dead_seen || before.state != store::GrantState::active;
      if (!first_of_day && !recovered) return std::nullopt;
      return store::NoteGrantEvent{std::move(event), false};
    }
    event.kind = kind_of(result, after);
    event.status = replied->reply.status;
    event.error = oauth::redacted(replied->reply.error);
    event.detail = oauth::redacted(replied->reply.error_description.empty() ? replied->classified.why : replied->reply.error_description);
    return store::NoteGrantEvent{std::move(event), true};
  }
  const bool sent = std::holds_alternative<NoReply>(*outcome);
  event.kind = sent ? GrantEventKind::ambiguous : GrantEventKind::failed;
  event.detail = oauth::redacted(sent ? std::get<NoReply>(*outcome).error.text : std::get<NotSent>(*outcome).error.text);
  return store::NoteGrantEvent{std::move(event), true};
}

store::NoteGrantEvent deed(const store::Grant& grant, GrantEventKind kind, WallTime now, std::string actor, std::string detail) {
  return {.event = {.grant = grant.id, .at = now, .last_at = now, .kind = kind, .count = 1, .generation = grant.generation, .status = 0,
                    .error = {}, .detail = std::move(detail), .actor = std::move(actor)},
          .join = false};
}

}  // namespace latchkey::grants
