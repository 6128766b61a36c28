#include "invariants.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "grants/lifecycle.h"

namespace latchkey::simulation {

using Known = RefreshToken::Known;
using catalog::ReplayPolicy;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kPostsPerMinuteMax = 20;  // of one grant, besides what people asked for
// A step of the clock begins the approach to the moment before which a provider refuses anew: ten tries a second apart, two with
// back-off and the one that succeeds (R15), twice; and once more for the token that came of it.
constexpr std::size_t kPostsOfAnApproach = 10 + 2 + 1;
constexpr std::size_t kApproachesPerMinute = 2;
constexpr Nanoseconds kMarginMin = 60s;
constexpr Nanoseconds kMarginMax = 300s;
constexpr Nanoseconds kSlack = 5s;
constexpr Nanoseconds kMoment = 2s;  // the keeper's kNews, and a second on the way
// F1, in this file's own words: how often a token in doubt is sent at once, and how long it rests between tries after that.
constexpr int kAtOnce = 3;
constexpr int kAtOnceRefused = 2;
constexpr int kInTheWindow = 2;            // the first attempt, and one at the end
constexpr Nanoseconds kRest = 900ms;       // a back-off is never shorter than a second
constexpr Nanoseconds kNothingLeft = 600s;
constexpr Milliseconds kSameClock{5000};   // two readings of a clock that has not been set
constexpr Milliseconds kSweepEvery{1000};
constexpr auto kRetryAfterMax = std::chrono::hours(25);

}  // namespace

void Invariants::fail(std::size_t subject, std::string_view rule, std::string what) {
  const auto& one = subjects[subject];
  if (broken_.empty()) broken_at_ = subject;
  story.tell_of(subject, "BROKEN: {}: {}", rule, what);
  broken_.push_back(fmt::format("{}: {} (grant {} of type {}, at {:.3f} s)", rule, what, subject, one.type,
                                std::chrono::duration<double>(timeline_.now()).count()));
}

bool Invariants::holds_live(const Subject& subject) {
  const auto& account = account_of(subject);
  return std::ranges::any_of(subject.held, [&](const auto& one) { return account.is_live(one.second); });
}

int Invariants::refusals_of(const Subject& subject) {
  const auto held = subject.held.find(subject.generation);
  const auto* token = held == subject.held.end() ? nullptr : account_of(subject).find(held->second);
  if (token == nullptr) return 0;
  // Where what came after it, or words in its place, had been refused twice, one look at it is enough.
  const bool later_refused = std::ranges::any_of(subject.held, [&](const auto& one) {
    const auto* later = account_of(subject).find(one.second);
    return later != nullptr && later != token && (later > token || later->pretended) && later->refusals >= 2;
  });
  return token->refusals + (later_refused ? 1 : 0);
}

// ---- 2: exchanges --------------------------------------------------------------------------------------------------

void Invariants::sent(const Process& process, std::size_t index, const std::string& token, Nanoseconds over_at) {
  auto& subject = subjects[index];
  note(index);
  note(base::to_bytes(token));
  std::erase_if(subject.in_flight, [&](const Subject::Sent& other) { return other.process->dead() || other.over_at <= timeline_.now(); });
  for (const auto& other : subject.in_flight) {
    if (other.token == token) fail(index, "two exchanges in flight", "the same refresh token is on its way twice, from " + other.process->name() + " and " + process.name());
  }
  story.tell_of(index, "{} sends {}", process.name(), token);
  if (!subject.intended.contains(&process)) fail(index, "sent without an intent", process.name() + " has told the store nothing");
  check_replay(process, subject, index, token);
  check_rate(subject, index);
  subject.in_flight.push_back({&process, token, over_at, timeline_.now()});
}

// No replay at one's own risk while the access token has more than this: a tenth of its lifetime, within bounds.
// By the clock of whoever sends: one that was set since the token was stamped, or another one than stamped it, cannot tell.
bool Invariants::lasts_long(const Process& process, const Subject& subject) const {
  const auto ahead = decides_ahead(process);
  if (!subject.stamped_ahead || std::chrono::abs(ahead - *subject.stamped_ahead) > kSameClock) return false;
  const Nanoseconds lifetime = account_of(subject).habits.lifetime;
  const auto margin = std::min(std::clamp(lifetime / 10, kMarginMin, kMarginMax), lifetime / 2);
  return subject.access_expires_at && *subject.access_expires_at - (true_time(timeline_) + ahead) > margin + kSlack;
}

// With what was known when the process made its claim.
Subject Invariants::as_claimed(const Process& process, const Subject& subject) const {
  auto known = subject;
  if (const auto claimed = subject.intended.find(&process); claimed != subject.intended.end()) {
    known.access_expires_at = claimed->second.access_expires_at;
    known.stamped_ahead = claimed->second.stamped_ahead;
  }
  return known;
}

// Stored by another process a moment ago, after this one had claimed the grant near the end of its token: it cannot know.
bool Invariants::is_news_to(const Process& process, const Subject& subject, const std::string& token) const {
  const auto claimed = subject.intended.find(&process);
  const auto kept = subject.kept.find(token);
  if (one_journal || claimed == subject.intended.end() || kept == subject.kept.end() || kept->second.by == &process) return false;
  return kept->second.at > claimed->second.at && kept->second.at > timeline_.now() - kMoment && !lasts_long(process, as_claimed(process, subject));
}

// A token whose successor is kept is never sent again; one in doubt only where its type allows it.
void Invariants::check_replay(const Process& process, Subject& subject, std::size_t index, const std::string& token) {
  auto& account = account_of(subject);
  auto* sent = account.find(token);
  if (sent == nullptr) return fail(index, "unknown token", "a refresh token was sent that the provider never gave");
  if (sent->state == RefreshToken::State::spent && sent->answered_with >= 0 && !account.family_dead) {
    const auto& successor = account.tokens[static_cast<std::size_t>(sent->answered_with)];
    const bool held_here = std::ranges::any_of(subject.held, [&](const auto& one) { return one.second == successor.text; });
    if (held_here && is_news_to(process, subject, successor.text)) {
      // It has claimed the grant and cannot know: the other's late answer came a moment ago, and with it the time that is left (R6).
    } else if (held_here && account.is_live(successor.text)) {
      fail(index, "an older token was sent", process.name() + " sent a spent refresh token although the store holds the newer one");
    } else if (one_journal && successor.known == Known::kept && account.is_live(successor.text)) {
      fail(index, "an older token was sent", process.name() + " sent a spent refresh token although the journal holds the newer one");
    } else if (successor.known == Known::kept && account.is_live(successor.text) && sent->refusals != 1 && lasts_long(process, subject)) {
      // But for the second look at a refusal: whoever looked first may have gone by another clock.
      fail(index, "an older token was sent", process.name() + " sent a spent refresh token although another node holds the newer one, and long before expiry (F6)");
    }
  }
  const bool counts = account.habits.replay != ReplayPolicy::harmless && sent->state == RefreshToken::State::spent && !account.family_dead;
  if (subject.restored && counts) fail(index, "sent after a restore", "a refresh token was sent that had been spent after the backup");
  if ((counts || sent->in_doubt) && !lasts_long(process, subject)) sent->tried_near_the_end = true;
  if (sent->in_doubt) check_again(process, subject, index, *sent);
  sent->sent_ahead = decides_ahead(process);
}

// What F1 says of a token in doubt, for each policy.
void Invariants::check_again(const Process& process, const Subject& subject, std::size_t index, const RefreshToken& token) {
  const auto& habits = account_of(subject).habits;
  const auto now = timeline_.now();
  const auto rested = now - token.doubted_last;
  const auto ahead = decides_ahead(process);
  // An attempt that was turned away since (503), or was never sent, has left its stamp as well.
  const bool same_clock = std::ranges::all_of(std::array{token.doubted_ahead, token.sent_ahead, subject.settled_ahead},
                                              [&](Milliseconds then) { return std::chrono::abs(ahead - then) <= kSameClock; });
  // Stored by another a moment ago, and this one had claimed the grant before.
  const auto claimed = subject.intended.find(&process);
  const bool claimed_just_now = claimed != subject.intended.end() && claimed->second.at > now - kMoment;
  const bool is_long = lasts_long(process, claimed_just_now ? as_claimed(process, subject) : subject);
  const auto against = [&](std::string_view why) {
    fail(index, "sent again against the rule", fmt::format("{} sent a token in doubt again, after {} attempts, {:.3f} s after the last: {}", process.name(), token.doubts,
                                                           std::chrono::duration<double>(rested).count(), why));
  };
  auto policy = habits.replay;
  const auto grace_ends = token.doubted_first + habits.grace;
  if (policy == ReplayPolicy::grace && now > grace_ends + kSlack && same_clock) policy = ReplayPolicy::revokes_family;
  switch (policy) {
    case ReplayPolicy::harmless:
      if (token.doubts >= kAtOnce && rested < kRest && subject.demands.empty()) against("harmless, but three times at once is all");
      break;
    case ReplayPolicy::grace: {
      const bool last_chance = now > grace_ends - 2 * kSlack - habits.grace / 4;
      if (token.doubts >= kAtOnce && rested < kRest && !last_chance) against("within its grace, but three times at once is all");
      break;
    }
    case ReplayPolicy::refused:
      if (token.doubts >= kAtOnceRefused && is_long) against("once at once, and then not before the end is near");
      if (token.doubts > kAtOnceRefused && rested < kRest && same_clock) against("again and again");
      break;
    case ReplayPolicy::revokes_family: {
      if (is_long) against(habits.replay == ReplayPolicy::grace ? "its grace is over, and the end is not near" : "the end is not near");
      if (token.doubts < kInTheWindow || !same_clock) break;
      const bool expired_long_ago = !subject.access_expires_at || true_time(timeline_) + ahead - *subject.access_expires_at > kNothingLeft - kSlack;
      const bool stamped_by_it = subject.stamped_ahead && std::chrono::abs(ahead - *subject.stamped_ahead) <= kSameClock;
      if (rested < kNothingLeft - kSlack || (stamped_by_it && !expired_long_ago)) against("near the end it is tried once, and rarely after that");
      break;
    }
  }
}

void Invariants::count_for_cap(const Subject& subject) {
  if (subject.provider >= caps.size() || caps[subject.provider] == 0) return;
  auto& sent = sent_to_[subject.provider];
  sent.push_back(timeline_.now());
  while (sent.front() + 60s <= timeline_.now()) sent.pop_front();
  if (sent.size() > caps[subject.provider]) {
    fail(by_grant[subject.grant], "rate cap exceeded", fmt::format("{} token requests within a minute, {} allowed", sent.size(), caps[subject.provider]));
  }
}

void Invariants::check_rate(Subject& subject, std::size_t index) {
  const auto now = timeline_.now();
  subject.posts.push_back(now);
  while (!subject.posts.empty() && subject.posts.front() + 60s < now) subject.posts.pop_front();
  while (!subject.demands.empty() && subject.demands.front() + 60s < now) subject.demands.pop_front();
  // A backup put back, or a standby, does not know how far the approach to "too early" had come, any more than a clock that was set.
  const auto approaches = kApproachesPerMinute + (subject.refreshed_at > Nanoseconds{0} && subject.refreshed_at + 60s > now ? 1 : 0);
  const auto at_most = clocks_stepped || has_been_restored || fallen_back_lately() > 0 ? approaches * kPostsOfAnApproach : kPostsPerMinuteMax;
  if (subject.posts.size() > at_most + 3 * subject.demands.size()) {
    fail(index, "hot loop", fmt::format("{} token requests within a minute", subject.posts.size()));
    subject.posts.clear();
  }
}

void Invariants::over(const Process& process, std::size_t index, const std::string& token) {
  auto& flights = subjects[index].in_flight;
  const auto found = std::ranges::find_if(flights, [&](const Subject::Sent& one) { return one.process == &process && one.token == token; });
  if (found != flights.end()) flights.erase(found);
}

void Invariants::arrived(const Process& process, std::size_t index, const Answer& answer, bool refresh_token_whole, bool whole) {
  auto& subject = subjects[index];
  auto& account = account_of(subject);
  note(static_cast<std::uint64_t>(answer.status));
  note(base::to_bytes(answer.body));
  story.tell_of(index, "{} reads {} {}{}{}", process.name(), answer.status, whole ? "" : "(cut off) ",
                answer.refresh_token < 0 ? "without a new refresh token" : account.tokens[static_cast<std::size_t>(answer.refresh_token)].text,
                answer.refresh_token >= 0 && !refresh_token_whole ? ", which is not whole" : "");
  if (answer.refresh_token >= 0) {
    auto& token = account.tokens[static_cast<std::size_t>(answer.refresh_token)];
    if (refresh_token_whole) {
      if (token.known != Known::kept) token.known = Known::arrived;
      subject.arrived[&process] = token.text;
    } else if (token.known == Known::on_its_way) {
      token.known = Known::never_arrived;
    }
  }
  subject.heard_ahead[&process] = decides_ahead(process);
  if (answer.access_token >= 0) {
    auto& access = account.access[static_cast<std::size_t>(answer.access_token)];
    access.arrived_at = timeline_.now();
    access.stamped_ahead = clock_ahead(process);
  }
  if (auto* refused = account.find(answer.refused); refused != nullptr && whole) refused->refusals += 1;
}

void Invariants::leave_in_doubt(const Process& process, RefreshToken& spent, Nanoseconds sent_at) const {
  if (spent.answered_at > sent_at || !is_known(process, sent_at)) return;
  doubt(process, spent, sent_at);
  spent.in_doubt_with = nullptr;  // an attempt without any answer stands in the store alone, once it is settled (F11)
  spent.in_doubt_owed = fell_back_at_ && sent_at <= *fell_back_at_ && !spent.doubt_in_standby ? &process : nullptr;
}

// Once for each attempt: a process that dies is told of twice.
void Invariants::doubt(const Process& process, RefreshToken& token, Nanoseconds sent_at) const {
  if (token.in_doubt && token.doubted_last == sent_at) return;
  token.doubted_first = token.in_doubt ? std::min(token.doubted_first, sent_at) : sent_at;
  token.doubted_last = token.in_doubt ? std::max(token.doubted_last, sent_at) : sent_at;
  token.doubted_ahead = decides_ahead(process);
  token.in_doubt = true;
  token.doubts += 1;
}

// What came instead of an answer died with the process; where the store has fallen back behind the attempt as well, nobody knows of it.
void Invariants::forget_unless_known(RefreshToken& token) const {
  const bool store_knows = !fell_back_at_ || token.doubted_last > *fell_back_at_ || token.doubt_in_standby;
  if (!std::exchange(token.doubt_in_journal, false) && !store_knows) {
    token.doubts -= 1;
    if (token.doubts <= 0) believe(token);
  }
  token.in_doubt_with = nullptr;
}

void Invariants::believe(RefreshToken& token) {
  token.in_doubt = false;
  token.doubts = 0;
}

void Invariants::told(const Process& process, std::size_t index, const std::string& text, Nanoseconds sent_at, Said said, bool journal_knows) {
  auto* token = account_of(subjects[index]).find(text);
  if (token == nullptr || said == Said::nothing_new) return;
  if (said == Said::what_became_of_it) {
    believe(*token);
    token->in_doubt_with = nullptr;
    token->answered_at = timeline_.now();
    return;
  }
  if (token->answered_at > sent_at) return;  // of an attempt before the one that was answered
  doubt(process, *token, sent_at);
  token->doubt_in_journal = false;
  token->in_doubt_with = journal_knows ? &process : nullptr;
}

void Invariants::lost(const Process& process, std::size_t index, const std::string& token, Nanoseconds sent_at, const Answer* answer) {
  auto& account = account_of(subjects[index]);
  story.tell_of(index, "the answer to {} reaches nobody", token);
  if (auto* spent = account.find(token); spent != nullptr) leave_in_doubt(process, *spent, sent_at);
  if (answer != nullptr) dropped(index, *answer);
}

void Invariants::dropped(std::size_t index, const Answer& answer, Dropped which) {
  if (answer.refresh_token < 0) return;
  auto& brought = account_of(subjects[index]).tokens[static_cast<std::size_t>(answer.refresh_token)];
  if (brought.known != Known::on_its_way) return;
  brought.known = Known::never_arrived;
  brought.lost_by_repetition = which == Dropped::of_two;
}

void Invariants::process_died(const Process& process) {
  story.tell("{} dies", process.name());
  for (auto& subject : subjects) {
    subject.intended.erase(&process);
    subject.heard_ahead.erase(&process);
    const auto found = subject.arrived.find(&process);
    if (found != subject.arrived.end()) {
      auto* token = account_of(subject).find(found->second);
      if (token != nullptr && token->known == Known::arrived) token->known = Known::died_with_process;
      subject.arrived.erase(found);
    }
    for (const auto& sent : subject.in_flight) {
      if (sent.process != &process) continue;
      if (auto* token = account_of(subject).find(sent.token); token != nullptr) leave_in_doubt(process, *token, sent.sent_at);
    }
    std::erase_if(subject.in_flight, [&](const Subject::Sent& sent) { return sent.process == &process; });
    for (auto& token : account_of(subject).tokens) {
      if (token.in_doubt_with == &process) forget_unless_known(token);
      if (token.in_doubt_owed != &process) continue;
      believe(token);
      token.in_doubt_owed = nullptr;
    }
  }
}

// ---- 3: journal before store ---------------------------------------------------------------------------------------

void Invariants::journaled(const Process& process, GrantId grant, IntentId intent, bool durable) {
  journaled_.insert(intent);  // a journal that refuses has said so: what is in memory may go on
  const auto which = by_grant.find(grant);
  if (which == by_grant.end()) return;
  story.tell_of(which->second, "the journal of {} {} the answer", process.name(), durable ? "holds" : "refuses");
  auto& subject = subjects[which->second];
  for (auto& token : account_of(subject).tokens) {
    if (token.in_doubt_with != &process) continue;
    if (durable) token.doubt_in_journal = true;
    else token.in_doubt_with = nullptr;
  }
  if (!durable) return;
  const auto found = subject.arrived.find(&process);
  if (found == subject.arrived.end()) return;
  if (auto* token = account_of(subject).find(found->second)) {
    token->known = Known::kept;
    token->in_journal = true;
  }
  subject.arrived.erase(found);
}

// ---- 1, 4, 7: what the store was told ------------------------------------------------------------------------------

void Invariants::note_intent(const Process& process, Subject& subject, const store::Intent& intent) {
  if (intent.state == store::IntentState::open) {
    subject.intended[&process] = {.at = timeline_.now(), .access_expires_at = subject.access_expires_at, .stamped_ahead = subject.stamped_ahead};
  } else subject.intended.erase(&process);
  if (intent.settled_at != subject.settled_at) subject.settled_ahead = decides_ahead(process);
  subject.settled_at = intent.settled_at;
  if (intent.state == store::IntentState::open) return;
  for (auto& token : account_of(subject).tokens) {
    if (token.in_doubt_owed == &process) token.in_doubt_owed = nullptr;
  }
}

void Invariants::committed(const Process& process, const store::Batch& batch) {
  note(batch.size());
  std::map<std::size_t, bool> touched;  // and whether it held a live token before
  const auto touch = [&](const GrantId& grant) -> Subject* {
    const auto found = by_grant.find(grant);
    if (found == by_grant.end()) return nullptr;
    auto& subject = subjects[found->second];
    if (!touched.contains(found->second)) touched[found->second] = holds_live(subject);
    return &subject;
  };
  for (const auto& mutation : batch) {
    note(mutation.index());
    if (const auto* put = std::get_if<store::PutGeneration>(&mutation)) {
      note(put->generation.refresh_sealed);
      auto* subject = touch(put->generation.grant);
      if (subject == nullptr) continue;
      const auto index = by_grant[put->generation.grant];
      std::string text;
      if (!put->generation.refresh_sealed.empty()) {
        store::Grant grant{.id = subject->grant, .user = subject->user};
        if (auto opened = sealing_.open_refresh(grant, put->generation)) text = std::string(opened->token.reveal_text());
        else fail(index, "a sealed token does not open", opened.error().reason);
      }
      if (!put->generation.intent.none() && !journaled_.contains(put->generation.intent) && put->generation.access_sealed.size() > 0) {
        fail(index, "parsed before stored", "the store got a token whose raw reply was not kept first");
      }
      story.tell_of(index, "{}: the store takes generation {} with {}{}", process.name(), put->generation.number, text.empty() ? "no refresh token" : text,
                    put->generation.access_sealed.empty() ? ", no access token" : "");
      const bool anew = !subject->held.contains(put->generation.number);  // else the same one, stamped or sealed anew
      subject->held[put->generation.number] = text;
      subject->kept.try_emplace(text, Subject::Kept{.at = timeline_.now(), .by = &process});
      if (auto* token = account_of(*subject).find(text); token != nullptr && !token->pretended) {
        token->known = Known::kept;
        // Taken up again, since what came after it was refused: how often it had been tried is not known any more.
        if (anew && put->generation.access_sealed.empty()) token->doubts = std::min(token->doubts, 1);
        if (account_of(*subject).is_live(text)) supersede(account_of(*subject), *subject, *token);
        // The newest of what had been kept is back: whether it may be sent is the type's rule from here on.
        const auto is_lost = [](const RefreshToken& later) { return later.known == Known::behind_a_restore; };
        if (anew && std::none_of(token + 1, std::to_address(account_of(*subject).tokens.end()), is_lost)) subject->restored = false;
        if (anew && !put->generation.access_sealed.empty()) {
          // Refusals survive in the journal, too: what comes from there once more is no success that follows them.
          const bool known_answer = !put->generation.intent.none() && !counted_.insert(put->generation.intent).second;
          const bool once_more = std::exchange(token->counted, account_of(*subject).habits.rotation != catalog::Rotation::none) || known_answer;
          if (!subject->restored && !once_more) token->refusals = 0;
          if (!once_more) account_of(*subject).lied = false;
          subject->restored = false;
          subject->refreshed_at = timeline_.now();
          ++refreshed;
        }
      }
      subject->arrived.erase(&process);
    } else if (const auto* inserted = std::get_if<store::InsertIntent>(&mutation)) {
      if (auto* subject = touch(inserted->intent.grant)) note_intent(process, *subject, inserted->intent);
    } else if (const auto* updated = std::get_if<store::UpdateIntent>(&mutation)) {
      if (auto* subject = touch(updated->intent.grant)) note_intent(process, *subject, updated->intent);
    } else if (const auto* gone = std::get_if<store::DeleteGeneration>(&mutation)) {
      if (auto* subject = touch(gone->grant)) let_go(*subject, gone->number);
    } else if (const auto* update = std::get_if<store::UpdateGrant>(&mutation)) {
      auto* subject = touch(update->grant.id);
      if (subject == nullptr) continue;
      const auto index = by_grant[update->grant.id];
      const auto& grant = update->grant;
      if (grant.state != store::GrantState::active && grant.why.empty()) fail(index, "unexplained", fmt::format("state {} without words", store::name_of(grant.state)));
      const bool asks = grant.state == store::GrantState::needs_authorization && subject->state != grant.state;
      if (grant.state != subject->state) story.tell_of(index, "{}: {} from now on: {}", process.name(), store::name_of(grant.state), grant.why);
      // One that is stamped by a clock that ran ahead can be found in the journal after a crash and counted again, when it does so again.
      if (asks && !subject->restored && refusals_of(*subject) < (clocks_stepped ? 1 : 2)) {
        fail(index, "asked for a person too soon", fmt::format("after {} definite refusals of the same token", refusals_of(*subject)));
      }
      note_state(process, index, grant.state, batch);
      subject->why = grant.why;
      subject->version = std::max(subject->version, grant.version + 1);
      if (subject->access_expires_at != grant.access_expires_at) {
        const auto heard = subject->heard_ahead.find(&process);
        subject->stamped_ahead.reset();  // by an earlier life of the process, out of its journal
        if (heard != subject->heard_ahead.end()) subject->stamped_ahead = heard->second;
        else if (!clocks_stepped) subject->stamped_ahead = Milliseconds(0);
      }
      subject->access_expires_at = grant.access_expires_at;
      subject->generation = grant.generation;
      if (asks && !subject->restored && holds_live(*subject)) fail(index, "asked for a person in vain", "the store holds a refresh token that is good");
      if (asks) count_loss(index);
    }
  }
  for (const auto& mutation : batch) note_entry(mutation);  // with the states as they are after the commit
  for (const auto& [index, held_live] : touched) {
    auto& subject = subjects[index];
    check_order(subject, index);
    const bool revoked = subject.state == store::GrantState::revoked;
    const bool holds_any = std::ranges::any_of(subject.held, [](const auto& one) { return !one.second.empty(); });
    if (revoked && holds_any) fail(index, "a revoked grant holds tokens", "after a commit of " + process.name());
    if (held_live && !revoked && !holds_live(subject)) fail(index, "a refresh token was lost", "the store held a live one and does not any more, after a commit of " + process.name());
  }
}

// Of an older branch of the same grant, in a journal that has not been asked: whatever becomes of the newer one is its own story.
void Invariants::supersede(Account& account, const Subject& subject, const RefreshToken& by) {
  for (auto* older = account.tokens.data(); older != &by; ++older) {
    const bool held = std::ranges::any_of(subject.held, [&](const auto& one) { return one.second == older->text; });
    if (older->known == Known::kept && !held) older->known = Known::superseded;
  }
}

void Invariants::let_go(Subject& subject, store::GenerationNumber number) {
  const auto found = subject.held.find(number);
  if (found == subject.held.end()) return;
  auto& account = account_of(subject);
  auto* token = account.find(found->second);
  subject.held.erase(found);
  if (token == nullptr || token->known != Known::kept) return;
  // One of a branch that a late reply began, and a newer one of another is held and good: what becomes of that one is its own story.
  const auto is_newer = [&](const auto& one) {
    const auto* other = account.find(one.second);
    return other != nullptr && other > token && account.is_live(other->text);
  };
  if (std::ranges::any_of(subject.held, is_newer)) token->known = Known::superseded;
}

// What is used next is never older than a good one that was to be used before.
void Invariants::check_order(Subject& subject, std::size_t index) {
  const auto held = subject.held.find(subject.generation);
  if (held == subject.held.end() || held->second == subject.current) return;
  const auto before = std::exchange(subject.current, held->second);
  const auto& account = account_of(subject);
  const auto* replaced = account.find(before);
  const auto* taken = account.find(subject.current);
  // A false refusal makes the engine try what it has besides (F2).
  if (replaced == nullptr || taken == nullptr || taken->pretended || account.lied || !account.is_live(before)) return;
  if (taken < replaced) fail(index, "an older token wins", subject.current + " takes the place of " + before);
}

void Invariants::read_back(const store::GrantView& view, Past past) {
  const auto found = by_grant.find(view.grant.id);
  if (found == by_grant.end()) return;
  auto& subject = subjects[found->second];
  if (past == Past::kept && view.grant.version < subject.version) {
    fail(found->second, "forgotten", fmt::format("the store had answered for version {} and holds {}", subject.version, view.grant.version));
  }
  subject.version = view.grant.version;
  subject.held.clear();
  subject.kept.clear();
  if (past == Past::put_back || subject.state != view.grant.state) {  // what was known of it may be gone, or has changed in the moment of a crash
    subject.switched_off_at.reset();
    subject.rests_since = timeline_.now();
  }
  subject.state = view.grant.state;
  if (subject.access_expires_at != view.grant.access_expires_at && clocks_stepped) subject.stamped_ahead.reset();
  subject.access_expires_at = view.grant.access_expires_at;
  subject.generation = view.grant.generation;
  subject.current.clear();
  for (const auto& generation : view.generations) {
    std::string text;
    if (!generation.refresh_sealed.empty()) {
      auto opened = sealing_.open_refresh(view.grant, generation);
      if (!opened) {
        fail(found->second, "torn record", "a generation does not open after a restart");
        continue;
      }
      text = std::string(opened->token.reveal_text());
    }
    subject.held[generation.number] = text;
  }
  subject.doubted.clear();
  const bool in_doubt = view.intent && view.intent->generation == view.grant.generation &&
                        (view.intent->state == store::IntentState::open || view.intent->state == store::IntentState::ambiguous);
  if (in_doubt) subject.doubted = subject.held[view.grant.generation];
  subject.doubted_attempts = in_doubt ? view.intent->attempts : 0;
}

// Of what was kept, the backup put back holds less.
void Invariants::restored() {
  has_been_restored = true;
  for (auto& subject : subjects) {
    subject.restored = true;
    for (auto& token : account_of(subject).tokens) {
      if (token.in_doubt) token.doubt_restored_away = true;
      believe(token);  // an attempt of which no answer came stood in the store that is gone
      const bool was_here = token.known == Known::kept || token.known == Known::arrived;
      const bool is_here = std::ranges::any_of(subject.held, [&](const auto& one) { return one.second == token.text; });
      if (was_here && !is_here) token.known = Known::behind_a_restore;
    }
  }
}

std::size_t Invariants::fallen_back_lately() const {
  return static_cast<std::size_t>(std::ranges::count_if(fallen_back_, [this](Nanoseconds at) { return at + 120s > timeline_.now(); }));
}

// Attempts of which no answer came stood in the store alone: of those that it has forgotten nobody knows. Of an answer that says nothing
// the journal does, which its process asks.
void Invariants::fell_back() {
  fell_back_at_ = timeline_.now();
  fallen_back_.push_back(timeline_.now());
  has_fallen_back = true;
  for (auto& subject : subjects) {
    for (auto& token : account_of(subject).tokens) {
      token.doubt_in_standby = !subject.doubted.empty() && token.text == subject.doubted;
      if (token.in_doubt_with == nullptr && !token.doubt_in_standby) believe(token);
      // Of the attempts it may know some only.
      if (token.in_doubt) token.doubts = std::min(token.doubts, token.doubt_in_standby ? std::max(1, subject.doubted_attempts) : 1);
      const bool held = std::ranges::any_of(subject.held, [&](const auto& one) { return one.second == token.text; });
      // A journal that has failed, and then the store: two losses at a time.
      if (token.known == Known::kept && !token.in_journal && !held) token.known = Known::behind_a_restore;
    }
  }
}

// ---- 5: hand-outs --------------------------------------------------------------------------------------------------

void Invariants::handed_out_token(std::size_t index, std::string_view text, Nanoseconds asked_at, Nanoseconds ahead) {
  const auto* access = provider_of(subjects[index]).access_of(text);
  if (access == nullptr) return fail(index, "unknown access token", "a token was handed out that the provider never gave");
  ++handed_out;
  story.tell_of(index, "{} is handed out", text);
  const auto travelled = access->arrived_at > access->issued_at ? access->arrived_at - access->issued_at : Nanoseconds(0);
  if (access->expires_at <= asked_at) ++stale_by_travel;
  // A clock that was more ahead when it came than after a restart says nothing of it: the mark moves every ten minutes (R24).
  const auto more_ahead = access->stamped_ahead - ahead;
  const auto unknowable = more_ahead <= 600s ? std::max(more_ahead, Nanoseconds(0)) : Nanoseconds(0);
  if (access->expires_at + travelled + unknowable + 1s <= asked_at) {
    fail(index, "expired token handed out", fmt::format("{:.1f} s after its end; the clock was {} ms ahead when it came, and {} ms when it went",
                                                          std::chrono::duration<double>(asked_at - access->expires_at).count(),
                                                          std::chrono::duration_cast<Milliseconds>(access->stamped_ahead).count(),
                                                          std::chrono::duration_cast<Milliseconds>(ahead).count()));
  }
}

// Why a person is needed: what the provider's rules and the moment of a crash made unavoidable (F11), or a loss of ours.
void Invariants::count_loss(std::size_t index) {
  const auto& account = account_of(subjects[index]);
  if (account.tokens.empty()) return;
  if (subjects[index].restored) {
    ++losses.behind_a_restore;
    return;
  }
  if (account.family_dead && account.given_back) {  // when nobody needed it: gave_back()
    ++losses.given_back;
    return;
  }
  const auto& newest = *std::ranges::find_if(account.tokens.rbegin(), account.tokens.rend(), [](const RefreshToken& one) { return !one.pretended; });
  switch (newest.known) {
    case Known::superseded:
    case Known::kept: {
      // Held, and ended all the same. Any other replay of ours is seen in check_replay.
      // The one in use, or what had been refused before it.
      const bool tried = account.family_dead ? account.tokens[static_cast<std::size_t>(account.ended_by)].tried_near_the_end
                                             : std::ranges::any_of(subjects[index].held, [&](const auto& one) {
                                                 const auto* token = account.find(one.second);
                                                 return token != nullptr && token->tried_near_the_end;
                                               });
      if (account.family_dead && account.ended_by_repetition) ++losses.repeated;
      else if (account.family_dead && account.tokens[static_cast<std::size_t>(account.ended_by)].doubt_restored_away) ++losses.behind_a_restore;
      else if (tried) ++losses.tried_at_the_end;
      else fail(index, "a refresh token was lost", "it had been kept, nobody sent an older one, and a person is asked: " + newest.text);
      break;
    }
    case Known::arrived: {
      // With a node that is held up, which will bring it; that it then does is seen at rest.
      const auto& subject = subjects[index];
      const bool held_up = std::ranges::any_of(subject.arrived, [&](const auto& one) { return one.second == newest.text && is_held_up(*one.first); });
      if (account.any_live() && !held_up) fail(index, "a refresh token was lost", "it arrived, nothing died, and a person is asked: " + newest.text);
      break;
    }
    case Known::died_with_process: ++losses.died_with_process; break;
    case Known::unreadable: ++losses.unreadable; break;
    case Known::behind_a_restore: ++losses.behind_a_restore; break;
    case Known::unwanted: ++losses.given_back; break;
    case Known::on_its_way:
    case Known::never_arrived: ++(newest.lost_by_repetition ? losses.repeated : losses.never_arrived); break;
  }
}

// ---- 1, 8, 9: when the world has come to rest ----------------------------------------------------------------------

void Invariants::at_rest(const std::vector<store::Revocation>& waiting, WallTime now) {
  check_due(waiting, now);
  for (std::size_t index = 0; index < subjects.size(); ++index) {
    auto& subject = subjects[index];
    const auto& account = account_of(subject);
    if (!account.any_live()) continue;
    if (subject.state == store::GrantState::revoked) {
      check_given_back(index, Merged::yes);
      continue;
    }
    if (holds_live(subject)) continue;
    if (has_fallen_back && store::is_locked(subject.state)) continue;  // the journal is asked when it is switched on
    // The provider honours a token that Latchkey does not hold: it must never have been able to.
    for (const auto& token : account.tokens) {
      if (!account.is_live(token.text)) continue;
      switch (token.known) {
        case Known::superseded: break;
        case Known::kept: fail(index, "a refresh token was lost", "it had been kept, is good, and is nowhere: " + token.text); break;
        case Known::arrived: fail(index, "a refresh token was lost", "it arrived, nothing died, and it is nowhere: " + token.text); break;
        case Known::died_with_process: ++losses.died_with_process; break;
        case Known::unreadable: ++losses.unreadable; break;
        case Known::behind_a_restore: ++losses.behind_a_restore; break;
        case Known::unwanted: break;  // waits to be given back, and this grant for a person
        case Known::on_its_way:
        case Known::never_arrived: ++(token.lost_by_repetition ? losses.repeated : losses.never_arrived); break;
      }
    }
  }
}

// Something that is good has arrived, and is neither in the store nor in a journal.
bool Invariants::is_still_to_come(const Subject& subject) const {
  const auto& account = account_of(subject);
  return std::ranges::any_of(subject.arrived, [&](const auto& one) { return account.is_live(one.second); });
}

bool Invariants::all_well_since(Nanoseconds when) {
  return std::ranges::all_of(subjects, [&](const Subject& subject) {
    if (!subject.in_flight.empty() || is_still_to_come(subject)) return false;
    const bool is_fresh = subject.refreshed_at > when && subject.state == store::GrantState::active;  // not by a journal's answer of long ago
    return is_fresh || store::is_locked(subject.state) || !account_of(subject).any_live() || (!holds_live(subject) && !has_fallen_back);
  });
}

void Invariants::fresh_at_last(std::size_t index, const store::GrantView& view, WallTime now) {
  auto& subject = subjects[index];
  if (store::is_locked(view.grant.state) || !account_of(subject).any_live() || !holds_live(subject)) return;
  if (subject.restored && view.grant.state == store::GrantState::needs_authorization) return;
  const bool fresh = grants::is_kept_fresh(view.grant.state) && view.grant.access_expires_at && *view.grant.access_expires_at > now;
  if (fresh) return;
  // A node died in mid-exchange: what it held is taken up when its lease has passed, and here that is after a token's whole life.
  if (!view.grant.lease_owner.none() && view.grant.lease_until > now) return;
  // Reckoned by a clock that was ahead by less than a Retry-After may be: a start cannot tell the two apart.
  const bool may_back_off = clocks_stepped && view.grant.failures > 0 && view.grant.due_at && *view.grant.due_at > now && *view.grant.due_at <= now + kRetryAfterMax;
  if (may_back_off) return;
  // It fell due a moment ago, and the sweep that finds it comes every second: what a journal brought to a store that had fallen back.
  if (view.grant.due_at && *view.grant.due_at <= now && *view.grant.due_at > now - kSweepEvery) return;
  fail(index, "not fresh after the faults", fmt::format("state {}, due {}, expires {}, now {}: {}", store::name_of(view.grant.state),
                                                         view.grant.due_at ? base::to_rfc3339(*view.grant.due_at) : "never",
                                                         view.grant.access_expires_at ? base::to_rfc3339(*view.grant.access_expires_at) : "-",
                                                         base::to_rfc3339(now), view.grant.why));
}

}  // namespace latchkey::simulation
