// A grant's life as a state machine: pure functions from (what the store holds, what happened) to (what to write next).
//
// Invariants kept here and tested here:
//  - a refresh token that arrived is written before anything is concluded from the reply (RULES F2, R12);
//  - a missing, empty or null refresh token keeps the old one (R10); an equal one leaves no superfluous copy (R11);
//  - only a definite refusal, seen twice, with no candidate left, asks for a person (F2, R20);
//  - nothing ambiguous is ever "dead" (F1).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "grants/exchange.h"
#include "grants/schedule.h"
#include "grants/sealing.h"
#include "store/store.h"

namespace latchkey::grants {

// What the engine needs of a type's nature, taken from the catalogue and the registry.
// Between looks whether other nodes have said what their journals kept, after a restore; whoever asks is told at once.
inline constexpr Seconds kAwaitedAgain{300};

struct TypeRules {
  Pace pace;
  catalog::ReplayPolicy replay = catalog::ReplayPolicy::revokes_family;
  Seconds grace{0};
  Seconds lifetime_fallback = kUnknownLifetime;
  std::vector<std::string> scopes;  // asked for
};

[[nodiscard]] Issue issue_of(const store::Grant& grant);
[[nodiscard]] const store::Generation* current_of(const store::GrantView& view);
// The type's pace, narrowed by what the provider last said of the refresh token's own life (`refresh_token_expires_in`,
// `refresh_expires_in`): that much idleness ends it.
[[nodiscard]] Pace pace_of(const store::Grant& grant, const TypeRules& rules);
// Generations below the current one whose refresh tokens nothing shows to be spent, newest first: those after them came beside an
// error, which may have repeated or masked what was sent; or the type lets an older one live on.
[[nodiscard]] std::vector<const store::Generation*> passed_over(const store::GrantView& view, catalog::ReplayPolicy replay);
// Whether the store does not know of an answer that came.
[[nodiscard]] bool is_behind(const store::GrantView& view, const store::NewestAnswer& newest);
// Whether an answer of that moment came well after the one that brought what is in use: two nodes, neither of which knew of the other,
// have each gone on from the same generation.
[[nodiscard]] bool came_beside(const store::GrantView& view, WallTime recorded_at);
// Whether that answer is to a generation after the one in use, by the same consent and the same branch: what is in use has been spent.
[[nodiscard]] bool shows_spent(const store::GrantView& view, const store::NewestAnswer& newest);

// Whether a refresh token may be sent once only, so that a request is never repeated (F4).
[[nodiscard]] constexpr bool is_one_shot(catalog::ReplayPolicy policy) { return policy != catalog::ReplayPolicy::harmless; }

// A token issued after now: the clock has been set back since, and when the token ends is not known any more (R24).
[[nodiscard]] bool is_from_the_future(WallTime issued_at, WallTime now);
// Whether anything the store knows of the grant is from the future: back-off reckoned by such times is worth nothing.
[[nodiscard]] bool is_from_the_future(const store::GrantView& view, WallTime now);
/// Whether it is due later than any clock that is right would have said: what is paused is looked at every minute, and what is
/// in order before its token ends (R24).
[[nodiscard]] bool is_due_by_a_clock_ahead(const store::Grant& grant, WallTime now);

// The newest token set with an access token that is good at `when`; nullptr: none.
[[nodiscard]] const store::Generation* usable_generation(const store::GrantView& view, WallTime when);

// ---- before a POST -------------------------------------------------------------------------------------------------

// By the clock; because a caller needs a token now (back-off holds); because a person insists (back-off does not).
enum class Urge { merging, scheduled, demanded, insisted };  // merging: what an earlier process left is taken up, and no more

struct PostDecision {
  enum class Kind {
    post,       // go on
    wait,       // not before `at`
    nothing,    // the grant is in no state to be refreshed
    ask_person, // the refresh token may have been spent by somebody unknown: after a restore (F10)
  } kind = Kind::nothing;
  WallTime at{};
  std::string why;
};
// Whether this generation may be spent now (F1, F3, F6, F9). `node`: this one; an open intent of another node waits.
[[nodiscard]] PostDecision decide_post(const store::GrantView& view, const TypeRules& rules, Urge urge, NodeId node, WallTime now);

// Whether an attempt that the grace allowed may be sent now, however long this process was stopped since it decided so.
[[nodiscard]] bool is_within_its_grace(const store::Grant& grant, const store::Intent& intent, const TypeRules& rules, WallTime now);

// After a fail-over, until every machine has told the database what its journal knows.
struct AwaitedJournals {
  bool open = false;
  std::string names;        // of those that the database knows to run and that have not; empty: none
  SteadyTime leases_end{};  // of exchanges begun before it, of which the database may know nothing any more
};
// While such an exchange of a machine that is waited for may be on its way, nothing is sent. What may be sent once only waits for the
// journals, too, but not beyond its emergency window (F6), and for as long as leases last, in case there is a machine that the database
// does not know. `leases_for`: how much longer that is.
[[nodiscard]] PostDecision wait_for_journals(PostDecision decision, const store::GrantView& view, const TypeRules& rules, const AwaitedJournals& awaited,
                                             Milliseconds leases_for, WallTime now);

// The batch that claims the grant and makes the intent durable; `intent` is what it will be in the store.
struct Claim {
  store::Batch batch;
  store::Intent intent;
  store::Grant grant;  // as it will be in the store
};
// What it means that an intent was not sent: by a way of its own it may have been posted unheard (TokenWay), so that a grace
// is counted from the first claim on.
enum class Unsent { spent_nothing, may_have_spent };
[[nodiscard]] Claim claim_for(const store::GrantView& view, NodeId node, IntentId fresh_id, Milliseconds lease, WallTime now,
                              Unsent unsent = Unsent::spent_nothing);

// How a Step records the intent it settles, in Intent::version: one that the store does not hold (the journal outlived a
// restored store) is inserted; one that has become history is left alone.
inline constexpr store::Version kIntentUnknown = 0;
inline constexpr store::Version kIntentUntracked = -1;

// ---- after it ------------------------------------------------------------------------------------------------------

struct Step {
  store::Batch batch;
  store::Grant grant;    // as it will be in the store
};

// The reply brought a token. When the grant has moved on since the intent, the reply becomes a candidate generation.
// `extras_json` is complete (learned values included).
[[nodiscard]] Step apply_reply(const store::GrantView& view, const store::Intent& intent, const oauth::TokenReply& reply,
                               const RefreshMaterial& spent, const TypeRules& rules, const Sealing& sealing,
                               std::string extras_json, WallTime now);

// A reply that brought a new refresh token and no access token to be used, none at all or one beside an error (R12): stored, and tried
// again soon, but not before the provider's `retry_after`.
[[nodiscard]] Step apply_refresh_token_alone(const store::GrantView& view, const store::Intent& intent, const Secret& refresh_token,
                                             const RefreshMaterial& spent, const TypeRules& rules, const Sealing& sealing,
                                             std::string why, std::optional<Seconds> retry_after, WallTime now);
// A late answer to an earlier attempt brought an access token and no refresh token, and what the attempt after it came to is not known: the
// access token is taken into the generation there is, whose refresh token stays in doubt (F1).
[[nodiscard]] Step apply_access_token_alone(const store::GrantView& view, const store::Intent& intent, const oauth::TokenReply& reply,
                                            const TypeRules& rules, const Sealing& sealing, WallTime received_at, WallTime now);
// A refresh token out of a journal that is older than the one in use, which came by another way from a common ancestor (a database that fell
// back, R6): tried when that one is refused.
[[nodiscard]] Step keep_as_candidate(const store::GrantView& view, const store::Intent& intent, const Secret& refresh_token,
                                     const RefreshMaterial& spent, const Sealing& sealing, WallTime now);
// What a person reads of such a reply.
[[nodiscard]] std::string why_alone(const oauth::TokenReply& reply, const oauth::Classified& classified);

[[nodiscard]] Step settle_not_sent(const store::GrantView& view, const store::Intent& intent, const TypeRules& rules,
                                   std::string why, std::optional<Seconds> retry_after, WallTime now);
// `classified` is transient or too_early.
[[nodiscard]] Step settle_transient(const store::GrantView& view, const store::Intent& intent, const TypeRules& rules,
                                    const oauth::Classified& classified, WallTime now);
[[nodiscard]] Step settle_ambiguous(const store::GrantView& view, const store::Intent& intent, const TypeRules& rules,
                                    std::string why, WallTime now);
// Whatever but a token came for a generation that has been overtaken: the grant is as it was.
[[nodiscard]] Step settle_overtaken(const store::GrantView& view, const store::Intent& intent, std::string why, WallTime now);

// A definite refusal: the first is looked at again at once; with a candidate generation, that one is tried; then an older token that
// may still be good, in doubt from the start where its type minds (an intent of its own, `fresh_id`); else the grant needs a person.
[[nodiscard]] Step settle_refused(const store::GrantView& view, const store::Intent& intent, const TypeRules& rules,
                                  const Sealing& sealing, IntentId fresh_id, std::string why, WallTime now);
// No request could be made: `why` is unavailable (the provider's description of itself cannot be read) or says what must be
// mended (app, secret, parameters). Nothing was spent; an intent in doubt stays in doubt. The grant must not be locked nor wait
// for a person.
[[nodiscard]] Step settle_unprepared(const store::GrantView& view, const TypeRules& rules, const Error& why, WallTime now);
// `alone`: others of the app are let in, so the grant is tried less and less often.
[[nodiscard]] Step settle_misconfigured(const store::GrantView& view, const store::Intent& intent, std::string why, bool alone, WallTime now);

// Whether refreshing is anybody's business: neither locked by a person nor waiting for one.
[[nodiscard]] bool is_kept_fresh(store::GrantState state);

// ---- after a restore (F10) ------------------------------------------------------------------------------------------

// The grant with a token that may have been spent after the backup it was restored from: nobody sends it, a person is asked.
// What is left of the access token is served meanwhile.
[[nodiscard]] Step settle_restored(const store::GrantView& view, std::string why);

// What a restore adds to every grant that can be refreshed: whether its generation has been spent since is not known.
// Empty where there is nothing to spend.
[[nodiscard]] store::Batch mark_restored(const store::GrantView& view, IntentId fresh_id, WallTime backup_at, WallTime now);

// The same restore, where several nodes share the store: a generation that one node's journal has brought back may have been spent by
// another node, whose own journal then holds the answer. Until those named have merged theirs, nobody sends it (`wait`, not
// `ask_person`). The mark is an intent in the state `restored` without an attempt: none is known of.
[[nodiscard]] store::Intent mark_awaiting(const store::Grant& grant, IntentId fresh_id, std::string_view nodes, WallTime now);
[[nodiscard]] bool awaits_journals(const store::Intent& intent);
// The attempt to spend the generation in use is in doubt, for all nodes, since this one cannot read the answer that it has kept (F1), of
// which it knows when it came: a grace of the type began by then. The attempt counts as never settled, so that whoever has the answer looks
// at it again.
[[nodiscard]] store::Mutation mark_unread(const store::GrantView& view, IntentId fresh_id, NodeId node, WallTime answered_at);
// They have: the generation is as good as never sent. For the view that is decided on; the claim writes it.
void lift_awaiting(store::GrantView& view);

// Ends the words with a full stop where they have none.
[[nodiscard]] std::string sentence(std::string_view words);

}  // namespace latchkey::grants
