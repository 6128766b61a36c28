// What an earlier process left: replies on the journal, intents that nobody settled.
#include <algorithm>

#include "grants/brought_back.h"
#include "grants/keeper.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr auto kRecoverAgainAfter = 10s;
constexpr auto kSettleAgainEvery = 5s;
constexpr int kMergeTries = 20;  // of one answer, while others change the grant

struct Newest {
  store::JournalEntry entry;
  WallTime first_at;  // when the first answer to the same intent came
};
// The newest reply of each intent: an attempt with the other secret, and each further attempt, leaves one more.
std::vector<Newest> newest_of_each(std::vector<store::JournalEntry> entries) {
  std::multimap<WallTime, store::JournalEntry> by_time;  // keeps the journal's order of one moment
  for (auto& entry : entries) by_time.emplace(entry.recorded_at, std::move(entry));
  std::vector<Newest> newest;
  for (auto& [at, entry] : by_time) {
    const auto older = std::ranges::find(newest, entry.intent, [](const Newest& one) { return one.entry.intent; });
    const auto first_at = older == newest.end() ? at : older->first_at;
    if (older != newest.end()) newest.erase(older);
    newest.push_back({.entry = std::move(entry), .first_at = first_at});
  }
  return newest;
}

// How the store knows the intent of a journaled reply.
store::Intent intent_of(const store::JournalEntry& entry, const store::GrantView& view, NodeId node) {
  store::Intent intent{.id = entry.intent, .grant = entry.grant, .generation = entry.generation, .node = node,
                       .opened_at = entry.recorded_at, .version = kIntentUntracked};
  if (view.intent && view.intent->id == entry.intent) return *view.intent;
  if (!view.intent && view.grant.generation == entry.generation) intent.version = kIntentUnknown;
  return intent;
}

// Not the store's or the network's passing trouble.
bool is_lasting(const Error& error) {
  return error.kind != ErrorKind::unavailable && error.kind != ErrorKind::ambiguous && error.kind != ErrorKind::conflict;
}

// Somebody else has written between the reading and the writing.
bool is_race(const Error& error) { return error.reason == "version" || error.reason == "gone"; }

// An answer without a token of which the store may know, though the journal does not know that it does: a refusal must not count
// twice, and none of them makes a token sendable that a restore has marked. A stamp of a clock that ran ahead says nothing (R24). An
// exchange that another node has under way by now is that node's to settle (F6), and nothing is sent before the answer to the attempt
// before is settled.
bool is_old_news(const store::Intent& intent, const store::JournalEntry& entry, const Replied& replied, NodeId node, WallTime now) {
  const bool another_followed = intent.version == kIntentUntracked || (replied.attempt > 0 && replied.attempt < intent.attempts) ||
                                (replied.turn > 0 && replied.turn < intent.fence);
  return intent.state != store::IntentState::open || intent.node != node || another_followed || intent.settled_at >= entry.recorded_at || is_from_the_future(entry.recorded_at, now);
}

// An answer that may have spent the token, or that followed an attempt which may have, of which a store that fell back knows nothing: to it
// the last attempt, an earlier one, was not sent, or refused.
bool leaves_unsaid_doubt(const store::Intent& known, const store::JournalEntry& entry, const Replied& replied, WallTime now) {
  const bool takes_it_for_unspent = known.state == store::IntentState::not_sent || known.state == store::IntentState::refused;
  const bool in_doubt = replied.classified.outcome == oauth::RefreshOutcome::ambiguous || replied.classified.may_have_spent || replied.attempt > 1;
  return takes_it_for_unspent && known.settled_at < entry.recorded_at && in_doubt && !is_from_the_future(entry.recorded_at, now);
}

// What the store knows of the attempts with that generation's token, of which the answer is one: under the answer's own intent or under
// another, and brought back by this node or by the one that made an earlier attempt.
bool tells_of_the_same_token(const store::Intent& known, const store::JournalEntry& entry, const Replied& replied) {
  if (known.id != entry.intent) return known.generation == entry.generation;
  return replied.attempt == 0 || replied.attempt >= known.attempts;
}

}  // namespace

Task<Result<void>> Keeper::read_what_was_left() {
  auto entries = co_await parts_.journal.unconfirmed();
  if (!entries) co_return std::unexpected(entries.error());
  std::set<IntentId> answered;
  for (auto& one : newest_of_each(std::move(*entries))) {
    auto& entry = one.entry;
    answered.insert(entry.intent);
    if (entry.generation == 0) codes_awaited_.insert(entry.grant);
    (entry.generation == 0 ? codes_ : unmerged_[entry.grant]).push_back(std::move(entry));
  }
  auto intents = co_await parts_.store.open_intents(kOpenIntentsMax);
  if (!intents) co_return std::unexpected(intents.error());
  for (auto& intent : *intents) {
    const bool ours = intent.state == store::IntentState::open && intent.node == parts_.node;
    if (ours && !answered.contains(intent.id)) forgotten_.push_back(std::move(intent));
  }
  co_return Result<void>{};
}

Task<Result<void>> Keeper::merge_unmerged(GrantId grant) {
  const auto found = unmerged_.find(grant);
  while (found != unmerged_.end() && !found->second.empty()) {
    const auto entry = as_sealed_now(found->second.front());
    if (const auto merged = co_await merge_entry(entry); !merged) {
      const bool said = unreadable_.contains(grant);
      if (!said) parts_.log.error("reply_not_merged", merged.error());
      if (is_lasting(merged.error())) note_unreadable(grant, &merged.error());
      co_return merged;
    }
    parts_.journal.confirm(entry.intent, parts_.wall.now());
    found->second.erase(found->second.begin());
  }
  unmerged_.erase(grant);
  note_unreadable(grant, nullptr);
  co_return Result<void>{};
}

Task<Result<void>> Keeper::merge_answers(store::GrantView view, Unreadable unreadable) {
  const auto grant = view.grant.id;
  auto entries = co_await parts_.journal.answers(grant);
  if (!entries) co_return std::unexpected(entries.error());
  std::erase_if(*entries, [&view](const store::JournalEntry& entry) {
    return entry.generation < view.grant.generation && !came_beside(view, entry.recorded_at);
  });
  std::optional<Error> unread;  // of the newest ones
  for (auto& [entry, first_at] : newest_of_each(std::move(*entries))) {
    const auto merged = co_await merge_entry(as_sealed_now(std::move(entry)), first_at);
    if (!merged && !is_lasting(merged.error())) co_return merged;
    unread.reset();
    if (merged) continue;
    unread = merged.error();
    parts_.log.warning("old_reply_not_merged", {{"grant", grant.text()}, {"detail", merged.error().text}});
  }
  if (unread && unreadable == Unreadable::error) {
    note_unreadable(grant, &*unread);
    co_return std::unexpected(*std::move(unread));
  }
  // It had been stored once; that it cannot be read any more (a master key later) is no reason to stop.
  if (!unread && !unmerged_.contains(grant)) note_unreadable(grant, nullptr);
  co_return Result<void>{};
}

Task<Result<void>> Keeper::merge_answers_of(GrantId grant) {
  const auto view = co_await parts_.store.grant(grant);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) co_return Result<void>{};
  co_return co_await merge_answers(**view, Unreadable::passed_over);
}

Task<Result<void>> Keeper::bring_back_answers() {
  std::vector<std::shared_ptr<Flight>> before;
  for (const auto& [grant, flight] : flights_) before.push_back(flight);
  for (const auto& flight : before) {
    while (!flight->result) co_await flight->landed.wait();
  }
  for (const auto& id : parts_.journal.answered()) {
    const auto view = co_await parts_.store.grant(id);
    if (!view) co_return std::unexpected(view.error());
    const auto newest = parts_.journal.newest_answer(id);
    if (!*view || (newest.generation < (*view)->grant.generation && !came_beside(**view, newest.recorded_at))) continue;
    // What the store knows of all the same may be unreadable (a master key later).
    const bool matters = is_behind(**view, newest);
    if (auto merged = co_await merge_answers(**view, matters ? Unreadable::error : Unreadable::passed_over); !merged) {
      if (merged.error().reason == "store_unavailable" || merged.error().kind == ErrorKind::ambiguous) co_return merged;
      if (!matters) continue;
      // It cannot be read: one grant's trouble, which a person must hear of, is no reason to hold up all others.
      parts_.log.error("answer_not_brought_back", merged.error());
      note_unreadable(id, &merged.error());
      if (auto marked = co_await mark_in_doubt(id); !marked) co_return marked;
    }
  }
  brought_back_at_ = parts_.steady.now();
  co_return Result<void>{};
}

Task<Result<void>> Keeper::mark_in_doubt(GrantId grant) {
  const auto view = co_await parts_.store.grant(grant);
  if (!view) co_return std::unexpected(view.error());
  const auto newest = parts_.journal.newest_answer(grant);
  if (!*view || !is_behind(**view, newest)) co_return Result<void>{};
  const auto& intent = (*view)->intent;
  // Another node's exchange is that node's to settle (F6); what a restore has marked stays marked (F10).
  const bool is_doubted = intent && (intent->state == store::IntentState::ambiguous || intent->state == store::IntentState::restored ||
                                     (intent->state == store::IntentState::open && intent->node != parts_.node));
  if (is_doubted) co_return Result<void>{};
  const auto now = parts_.wall.now();
  auto marked = co_await parts_.store.commit({mark_unread(**view, IntentId::make(now, parts_.entropy), parts_.node, std::min(now, newest.recorded_at))});
  // Somebody has changed it at this moment: all of it is brought back once more.
  if (!marked && !is_lasting(marked.error())) co_return fail(ErrorKind::unavailable, "store_unavailable", marked.error().text);
  co_return marked;
}

Task<Result<void>> Keeper::read_again(std::optional<store::GrantView> view, GrantId grant) {
  // Authorised anew, gone on by what another node had, or gone.
  const bool matters = view && is_behind(*view, parts_.journal.newest_answer(grant));
  if (!matters) {
    note_unreadable(grant, nullptr);
    co_return Result<void>{};
  }
  co_return co_await merge_answers(*std::move(view), Unreadable::error);
}

// Nothing is posted for a grant whose newest answer lies unread (F2), so a person must hear of it. nullptr: it is over.
void Keeper::note_unreadable(GrantId grant, const Error* error) {
  if (error != nullptr) {
    unreadable_.insert(grant);
  } else if (unreadable_.erase(grant) == 0) {
    return;
  }
  if (unreadable_.empty()) {
    parts_.alerts.clear("reply_unreadable");
    return;
  }
  const auto why = error == nullptr ? std::string(".") : ": " + sentence(error->text);
  parts_.alerts.raise("reply_unreadable",
                      std::to_string(unreadable_.size()) + (unreadable_.size() == 1 ? " account is" : " accounts are") +
                          " not refreshed: before the last stop the provider answered, and the answer kept in the journal cannot be used" + why +
                          " The first is grant " + unreadable_.begin()->text() +
                          ". Nothing is thrown away. Put back what is missing (a provider file, the journal folder from a backup) and restart, or "
                          "authorise the account again, which takes the answer's place.");
}

Task<Result<void>> Keeper::merge_entry(store::JournalEntry entry, std::optional<WallTime> first_at) {
  for (int tries = 0; tries < kMergeTries; ++tries) {
    auto merged = co_await merge_into_what_is_there(entry, first_at.value_or(entry.recorded_at));
    // By a clock that ran ahead; the look that mends such stamps after a start may have passed this grant by (R24).
    const auto now = parts_.wall.now();
    if (merged && is_from_the_future(entry.recorded_at, now)) co_await mend_stamps_of({.grant = entry.grant, .version = 0, .seen_at = now});
    if (merged || !is_race(merged.error())) co_return merged;
  }
  co_return fail(ErrorKind::unavailable, "store_unavailable", "Other servers keep changing this account; what the journal has of it is merged a little later.");
}

Task<Result<void>> Keeper::merge_into_what_is_there(store::JournalEntry entry, WallTime first_at) {
  const auto view = co_await parts_.store.grant(entry.grant);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) {
    parts_.counters.replies_unowned += 1;  // deleted meanwhile; whose app it was is not known any more
    co_return Result<void>{};
  }
  const auto& grant = (*view)->grant;
  auto intent = intent_of(entry, **view, parts_.node);
  const bool ahead = entry.generation > grant.generation;
  // Somebody has consented anew since: what the journal kept belongs to the consent before, perhaps to another account.
  // An attempt that the store knows belongs to the consent that it knows, whatever either was stamped (R24).
  const bool is_known = (*view)->intent && (*view)->intent->id == entry.intent;
  const bool of_an_older_consent = !is_known && entry.recorded_at < grant.created_at;
  const bool revoked = grant.state == store::GrantState::revoked;
  if (of_an_older_consent && !revoked && !is_from_the_future(grant.created_at, parts_.wall.now())) {
    const auto unmerged = unmerged_.find(entry.grant);
    const bool is_unconfirmed = unmerged != unmerged_.end() && std::ranges::count(unmerged->second, entry.intent, &store::JournalEntry::intent) > 0;
    // Its tokens are nobody's. They are not given back either: whoever has authorised the same account anew would lose that as well.
    if (is_unconfirmed) {
      parts_.counters.replies_unowned += 1;
      parts_.log.warning("reply_of_an_older_consent", {{"grant", entry.grant.text()}, {"generation", entry.generation}});
    }
    co_return Result<void>{};
  }
  const auto spent_generation = std::ranges::find((*view)->generations, entry.generation, &store::Generation::number);
  // Another node's answer to the same generation, or to an older one, was brought first, and is older than this one (F6).
  // A stamp of a clock that ran ahead says nothing (R24): it might make an old token look newer than what came after it.
  const bool is_beside = !is_known && !of_an_older_consent && !revoked && entry.generation < grant.generation && came_beside(**view, entry.recorded_at) &&
                         !is_from_the_future(entry.recorded_at, parts_.wall.now());
  // What came after it has worked, or a new consent has taken its place: whether the answer can be read matters no more.
  if (!ahead && !revoked && !is_beside && spent_generation == (*view)->generations.end()) co_return Result<void>{};
  const auto type = co_await parts_.clients.type_for(grant.type, grant.app, grant.params_json, grant.extras_json);
  if (!type) co_return std::unexpected(type.error());
  auto replied = parts_.exchange.replay(entry, type->errors, type->reply_shape, type->type->replay);
  if (!replied) co_return std::unexpected(replied.error());
  if (is_of_another_account(*replied, grant)) co_return co_await pass_over_anothers(std::move(**view), std::move(entry), is_one_shot(type->type->replay));
  if (revoked) co_return co_await give_back(way_back(grant, ExchangeOutcome(std::move(*replied))));
  const auto rules = rules_for(*type);
  // Another node has gone on from an older generation, and numbers its own like this one's journal does (F6).
  const auto* current = current_of(**view);
  // What a backup holds is older than what the journal has of it, whatever a clock that was ahead has stamped (F10, R24).
  const bool is_of_a_backup = (*view)->intent && (*view)->intent->state == store::IntentState::restored && !awaits_journals(*(*view)->intent);
  const bool of_another_branch = !is_known && !is_of_a_backup && entry.generation >= grant.generation && current != nullptr &&
                                 entry.recorded_at < current->issued_at && !is_from_the_future(current->issued_at, parts_.wall.now());
  if (of_another_branch || is_beside) co_return co_await merge_beside(std::move(**view), std::move(intent), std::move(*replied));
  if (ahead) co_return co_await merge_ahead(std::move(**view), std::move(intent), std::move(*replied), rules);
  auto spent = parts_.sealing.open_refresh(grant, *spent_generation);
  if (!spent) co_return std::unexpected(spent.error());
  strike_out(*replied, {&spent->token, 1});
  const bool old_news = is_old_news(intent, entry, *replied, parts_.node, parts_.wall.now());
  ExchangeOutcome outcome(std::move(*replied));
  const bool brings = brings_token(outcome, spent->token);
  const auto& unsaid = std::get<Replied>(outcome);
  if (intent.version == kIntentUnknown) {
    // Nor does it know of the attempts before this one, of which each may have spent the token (F1).
    intent.attempts = std::max(intent.attempts, unsaid.attempt);
    intent.opened_at = first_at;
  }
  const auto& known = (*view)->intent;
  if (known && tells_of_the_same_token(*known, entry, unsaid) && leaves_unsaid_doubt(*known, entry, unsaid, parts_.wall.now())) {
    // The store fell back behind this answer, and what it still knows of the attempts would let the token be sent again (F1).
    intent = *known;
    intent.attempts = std::max(intent.attempts, unsaid.attempt);
  } else if (!brings && old_news) {
    co_return Result<void>{};
  }
  if (!brings && std::get<Replied>(outcome).classified.outcome == oauth::RefreshOutcome::misconfigured_app) {
    // The app's other secret may have been tried after it, and what came of that is not known; nor is how many secrets there were.
    outcome = NoReply{{.kind = ErrorKind::ambiguous, .reason = "no_reply", .text = "The server stopped when the provider had refused its app registration."}};
  }
  const auto landed = co_await commit_step(entry.grant, std::nullopt, std::move(intent), outcome, *spent, *type, rules, Origin::journal);
  if (!landed.grant) co_return std::unexpected(landed.grant.error());
  if (!landed.unowned) {
    parts_.counters.replies_recovered += 1;
    parts_.log.info("reply_recovered", {{"grant", entry.grant.text()}, {"generation", entry.generation}});
  }
  co_return Result<void>{};
}

// The store is older than the journal (a backup was put back): the journal's token set is the newest there is, and the one
// in the store has been spent (F10).
Task<Result<void>> Keeper::merge_ahead(store::GrantView view, store::Intent intent, Replied replied, TypeRules rules) {
  if (!replied.reply.refresh_token) co_return Result<void>{};
  const auto* current = current_of(view);
  RefreshMaterial spent{.token = replied.reply.refresh_token->clone(), .code_verifier = Secret()};
  if (current != nullptr) {
    if (auto material = parts_.sealing.open_refresh(view.grant, *current)) spent.code_verifier = std::move(material->code_verifier);
  }
  const auto before = view.grant;
  intent.version = kIntentUntracked;
  view.grant.generation = intent.generation;
  auto step = replied.classified.outcome == oauth::RefreshOutcome::refreshed
                  ? apply_reply(view, intent, replied.reply, spent, rules, parts_.sealing, view.grant.extras_json, replied.received_at)
                  : apply_refresh_token_alone(view, intent, *replied.reply.refresh_token, spent, rules, parts_.sealing,
                                              why_alone(replied.reply, replied.classified), replied.classified.retry_after, replied.received_at);
  spare_candidates(step, view, &*replied.reply.refresh_token, parts_.sealing);
  hold_for_others(step, before, rules);
  if (!counts()) co_return fail(ErrorKind::unavailable, "store_unavailable", "This server has yet to show itself to the database again.");
  const ExchangeOutcome outcome(std::move(replied));
  add_history(step, before, &outcome);
  if (auto committed = co_await parts_.store.commit(std::move(step.batch), store::Urgency::token_reply); !committed) co_return committed;
  note_change(before, step.grant);
  parts_.counters.replies_recovered += 1;
  co_return Result<void>{};
}

Task<Result<void>> Keeper::merge_beside(store::GrantView view, store::Intent intent, Replied replied) {
  if (!replied.reply.refresh_token) co_return Result<void>{};
  RefreshMaterial spent;
  for (const auto& generation : view.generations) {
    auto material = parts_.sealing.open_refresh(view.grant, generation);
    if (material && material->token.equals(*replied.reply.refresh_token)) co_return Result<void>{};
    if (material && generation.number == view.grant.generation) spent = std::move(*material);
  }
  const auto before = view.grant;
  intent.version = kIntentUntracked;
  auto step = keep_as_candidate(view, intent, *replied.reply.refresh_token, spent, parts_.sealing, parts_.wall.now());
  if (!counts()) co_return fail(ErrorKind::unavailable, "store_unavailable", "This server has yet to show itself to the database again.");
  if (auto committed = co_await parts_.store.commit(std::move(step.batch), store::Urgency::token_reply); !committed) co_return committed;
  note_change(before, step.grant);
  parts_.counters.replies_recovered += 1;
  co_return Result<void>{};
}

// Used, it would take this account's documents to the other one. Nor is it given back: it may be all that the other account has.
Task<Result<void>> Keeper::pass_over_anothers(store::GrantView view, store::JournalEntry entry, bool one_shot) {
  note_anothers(entry);
  const auto& intent = view.intent;
  const bool is_settled_since = intent && intent->settled_at >= entry.recorded_at;
  const bool is_doubted = intent && (intent->state == store::IntentState::ambiguous || intent->state == store::IntentState::restored || intent->state == store::IntentState::open);
  const bool is_asked_for = !is_kept_fresh(view.grant.state) || current_of(view) == nullptr;
  // What this account's token was used for before the other consent is not known.
  const bool raises_doubt = one_shot && shows_spent(view, {.generation = entry.generation, .recorded_at = entry.recorded_at});
  if (!raises_doubt || is_settled_since || is_doubted || is_asked_for) co_return Result<void>{};
  const auto now = parts_.wall.now();
  co_return co_await parts_.store.commit({mark_unread(view, IntentId::make(now, parts_.entropy), parts_.node, std::min(now, entry.recorded_at))});
}

void Keeper::note_anothers(const store::JournalEntry& entry) {
  if (!anothers_.emplace(entry.grant, entry.generation, entry.recorded_at).second) return;
  parts_.counters.replies_unowned += 1;
  parts_.log.warning("reply_of_another_account", {{"grant", entry.grant.text()}, {"generation", entry.generation}});
}

// What the journal has brought may have been spent by a node that has not told yet.
void Keeper::hold_for_others(Step& step, const store::Grant& before, const TypeRules& rules) const {
  if (awaited_.empty() || step.grant.generation == before.generation || rules.replay == catalog::ReplayPolicy::harmless) return;
  const auto now = parts_.wall.now();
  step.batch.push_back(store::InsertIntent{mark_awaiting(step.grant, IntentId::make(now, parts_.entropy), awaited_, now)});
}

void Keeper::await_code(store::JournalEntry entry) {
  codes_awaited_.insert(entry.grant);
  codes_.push_back(std::move(entry));
  start_recovering_codes();
}

void Keeper::start_recovering_codes() {
  if (recovering_codes_ || codes_.empty()) return;
  recovering_codes_ = loop_group_.spawn("recover_codes", recover_codes());
}

store::JournalEntry Keeper::as_sealed_now(store::JournalEntry entry) const {
  // A later answer of the same intent may have come since, sealed under the new key already.
  const auto anew = resealed_.find(entry.intent);
  if (anew != resealed_.end() && !parts_.sealing.is_current(entry.reply_sealed)) entry.reply_sealed = anew->second;
  return entry;
}

Task<void> Keeper::recover_codes() {
  struct Ended {
    bool& running;
    ~Ended() { running = false; }
  } const ended{recovering_codes_};
  while (!codes_.empty() && recover_code_ && !stopping_) {
    std::vector<store::JournalEntry> left;
    for (auto& entry : std::exchange(codes_, {})) {
      if (const auto done = co_await recover_code_(as_sealed_now(entry)); done) {
        codes_awaited_.erase(entry.grant);
        parts_.journal.confirm(entry.intent, parts_.wall.now());
      } else {
        parts_.log.error("code_not_recovered", done.error());
        if (!is_lasting(done.error())) {
          if (done.error().reason == "store_unavailable") alert_store_refuses();
          left.push_back(std::move(entry));
          continue;
        }
        // The attempt expires by itself; the entry stays in the journal.
        codes_awaited_.erase(entry.grant);
        parts_.alerts.tell("reply_unreadable:consent",
                           "A consent was under way when the server stopped, and the provider's answer to it cannot be used: " +
                               sentence(done.error().text) + " Nothing was made of it; authorise that account again.",
                           std::chrono::hours(24));
      }
    }
    codes_.insert(codes_.end(), std::make_move_iterator(left.begin()), std::make_move_iterator(left.end()));
    if (!codes_.empty()) co_await wake_.wait_for(parts_.steady, kRecoverAgainAfter);
  }
}

// What an earlier process of this node left open; what the store does not say now is asked for again.
Task<void> Keeper::settle_forgotten() {
  if (settled_lost_ || parts_.steady.now() < settle_again_at_) co_return;
  forgotten_ = co_await settle_lost(std::exchange(forgotten_, {}), "The server stopped before the answer came.");
  settled_lost_ = forgotten_.empty();
  settle_again_at_ = parts_.steady.now() + kSettleAgainEvery;
}

// Whether they were sent is not known.
Task<std::vector<store::Intent>> Keeper::settle_lost(std::vector<store::Intent> intents, std::string why) {
  std::vector<store::Intent> left;
  const auto put_off = [&](const store::Intent& intent, const Error& error) {
    parts_.log.error("intent_not_settled", error);
    if (!is_lasting(error)) left.push_back(intent);
  };
  for (const auto& intent : intents) {
    if (intent.generation == 0 && take_up_code_) {
      const auto taken_up = co_await take_up_code_(intent);
      if (!taken_up) put_off(intent, taken_up.error());
      if (!taken_up || *taken_up) continue;
    }
    // The answer may lie in the journal, confirmed before the store fell back to the moment when it was waited for.
    if (parts_.journal.newest_answer(intent.grant).generation >= intent.generation) {
      if (const auto merged = co_await merge_answers_of(intent.grant); !merged) {
        put_off(intent, merged.error());
        continue;
      }
    }
    store::Batch batch;
    const auto view = co_await parts_.store.grant(intent.grant);
    if (!view) {  // of which nothing follows, least of all that the token is unspent
      put_off(intent, view.error());
      continue;
    }
    if (*view && (*view)->intent && (*view)->intent->id == intent.id) {
      const auto& known = *(*view)->intent;
      const bool goes_on = known.attempts != intent.attempts || known.fence != intent.fence;
      if (known.state != store::IntentState::open || goes_on) continue;  // it is known by now, or somebody has begun anew
      const auto& grant = (*view)->grant;
      const auto type = co_await parts_.clients.type_for(grant.type, grant.app, grant.params_json, grant.extras_json);
      const auto rules = type ? rules_for(*type) : TypeRules{};
      auto step = settle_ambiguous(**view, intent, rules, why, parts_.wall.now());
      add_history(step, grant, nullptr);
      batch = std::move(step.batch);
      parts_.counters.ambiguous += 1;
      states_changed_ = true;
    } else {
      if (*view && (*view)->grant.lease_owner == intent.node && (*view)->grant.fence == intent.fence) {
        // Another node has gone on with the grant; the lease of the exchange that is lost must not keep it from being refreshed.
        auto freed = (*view)->grant;
        freed.lease_owner = {};
        freed.lease_until = {};
        batch.push_back(store::UpdateGrant{std::move(freed)});
      }
      auto ended = intent;
      ended.state = store::IntentState::refused;
      ended.outcome = why;
      ended.settled_at = parts_.wall.now();
      batch.push_back(store::UpdateIntent{std::move(ended)});
    }
    const auto done = co_await parts_.store.commit(std::move(batch));
    // A conflict: the grant's own flight was faster.
    if (!done && done.error().kind != ErrorKind::conflict) put_off(intent, done.error());
  }
  co_return left;
}

}  // namespace latchkey::grants
