// The rules about what is switched off, revoked and given back: 11 and 12.
#include <fmt/format.h>

#include "invariants.h"

namespace latchkey::simulation {

using Known = RefreshToken::Known;
using namespace std::chrono_literals;

namespace {

constexpr Milliseconds kSameMoment{1000};  // two nodes' clocks
constexpr auto kDueMost = 15min;           // somebody has taken it up by then, however many are due
constexpr Nanoseconds kMoment = 2s;        // between a look and the request that follows from it

}  // namespace

bool Invariants::is_kept(const Subject& subject, WallTime at) const {
  return subject.state == store::GrantState::disabled && subject.switched_off_at && !clocks_stepped && at + kSameMoment < *subject.switched_off_at + disabled_after;
}

void Invariants::note_state(const Process& process, std::size_t index, store::GrantState state, const store::Batch& batch) {
  auto& subject = subjects[index];
  if (subject.state == state) return;
  const auto now = true_time(timeline_) + decides_ahead(process);
  if (subject.state == store::GrantState::disabled && state == store::GrantState::revoked) {
    ++revoked_after_switching_off;
    if (is_kept(subject, now)) {
      fail(index, "revoked before its time", fmt::format("{:.3f} s after it was switched off the last time, with {} s to come back in",
                                                         std::chrono::duration<double>(now - *subject.switched_off_at).count(), disabled_after.count()));
    }
  }
  const bool rested = rests(subject);
  subject.state = state;
  subject.switched_off_at.reset();
  if (state == store::GrantState::disabled) {
    subject.switched_off_at = now;
    for (const auto& mutation : batch) {  // a process may be stopped between the word and the commit
      const auto* said = std::get_if<store::NoteGrantEvent>(&mutation);
      if (said != nullptr && said->event.grant == subject.grant && said->event.kind == store::GrantEventKind::disabled) subject.switched_off_at = said->event.at;
    }
  }
  if (!rested && rests(subject)) subject.rests_since = timeline_.now();
}

// Whoever gives back has looked a moment before the request leaves, and what comes about while it is on its way nobody can know.
void Invariants::gave_back(std::size_t index, Nanoseconds sent_at) {
  note(index);
  auto& subject = subjects[index];
  if (std::max(subject.rests_since, account_of(subject).consented_at) + kMoment > sent_at) return;
  // What its account lived by lies with a node that is held up, and will be brought: the others have been refused for an older one.
  const auto& tokens = account_of(subject).tokens;
  const auto newest = std::ranges::find_if(tokens.rbegin(), tokens.rend(), [](const RefreshToken& one) { return !one.pretended; });
  const bool lies_with_another = subject.state == store::GrantState::needs_authorization && newest != tokens.rend() &&
                                 std::ranges::any_of(subject.arrived, [&](const auto& one) { return one.second == newest->text && is_held_up(*one.first); });
  if (lies_with_another) fail(index, "given back while another node holds the newest token", newest->text);
  else if (store::may_rest_on_consent(subject.state)) fail(index, "given back while in use", fmt::format("its state is {}", store::name_of(subject.state)));
  else if (is_kept(subject, true_time(timeline_) - std::chrono::duration_cast<Milliseconds>(timeline_.now() - sent_at))) fail(index, "given back while it is kept", "whoever switches it on again was to lose nothing");
}

// Entries that have no tokens yet (a switched-off grant still has them) excuse nothing.
void Invariants::note_entry(const store::Mutation& mutation) {
  if (const auto* put = std::get_if<store::PutRevocation>(&mutation); put != nullptr && !put->revocation.record_sealed.empty()) {
    entries_[put->revocation.id] = put->revocation.grant;
  }
  const auto* gone = std::get_if<store::DeleteRevocation>(&mutation);
  if (gone == nullptr) return;
  const auto entry = entries_.extract(gone->id);
  if (entry.empty()) return;
  const auto its = by_grant.find(entry.mapped());
  if (its != by_grant.end()) check_given_back(its->second, Merged::not_yet);
}

// What only a journal holds as yet is found, and given back, when its node is up again.
void Invariants::check_given_back(std::size_t index, Merged journals) {
  const auto& subject = subjects[index];
  if (subject.state != store::GrantState::revoked) return;
  if (clocks_stepped || has_been_restored || has_fallen_back || timeline_.now() >= give_up_after) return;
  if (std::ranges::any_of(entries_, [&](const auto& entry) { return entry.second == subject.grant; })) return;
  for (const auto& token : account_of(subject).tokens) {
    if (journals == Merged::not_yet && !subject.kept.contains(token.text)) continue;
    if (token.known == Known::kept && account_of(subject).is_live(token.text)) fail(index, "not given back", "it was revoked, and its token is good and on its way nowhere: " + token.text);
  }
}

void Invariants::consents_anew(std::size_t index) { check_given_back(index, Merged::not_yet); }

void Invariants::check_due(const std::vector<store::Revocation>& waiting, WallTime now) {
  if (clocks_stepped) return;
  for (const auto& entry : waiting) {
    const auto its = by_grant.find(entry.grant);
    if (its == by_grant.end() || entry.due_at + kDueMost > now) continue;
    fail(its->second, "not given back in time", fmt::format("it has been due since {}, and it is {}", base::to_rfc3339(entry.due_at), base::to_rfc3339(now)));
  }
}

}  // namespace latchkey::simulation
