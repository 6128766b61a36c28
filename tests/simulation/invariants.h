// What must hold in every simulated world, whatever breaks. Each rule is one function below, called where it can be judged.
//
//   1  a newer refresh token is never lost, nor overwritten by an older one (what the provider's rules made unavoidable is
//      counted apart, RULES F11)
//   2  nothing is sent without an intent in the store, never are two exchanges in flight for one refresh token, and none is
//      sent again against the type's rule (F1, F3): by attempts and, where the rule says when, by the sender's clock
//   3  the raw reply is durable before the store hears of it (F5)
//   4  a grant asks for a person only after a definite refusal seen again (where clocks step: one), and never while it holds a
//      token that is good
//   5  no expired access token is handed out
//   6  no hot loop, no stampede: requests per grant and a node's calls of its store are bounded, the provider's cap is held
//   7  every state is explained
//   8  when the faults are over, every grant that its provider still honours is fresh within a bound
//   9  what was answered as committed is there after a crash
//  10  after a restore no refresh token is sent that may have been spent since the backup (F10); a person is asked instead
//  11  what is switched off is kept for `revoke.disabled_after` from the last time on, and nothing goes back that ends a consent on which
//      a grant rests, or which is kept (F7)
//  12  a revoked grant holds nothing, and what it held goes back to the provider or waits to (F7); what is due is taken up in time
//
// The truth comes from the provider's model (provider.h) and from what the store was told: `held` mirrors its
// refresh tokens. A rule that is broken is written down with time and grant; the world then stops.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "grants/sealing.h"
#include "provider.h"
#include "story.h"
#include "store/store.h"

namespace latchkey::simulation {

// One grant of the world, and what the store holds of it.
struct Subject {
  GrantId grant;
  UserId user;
  std::string type;
  std::string account_id;
  std::size_t provider = 0;
  std::size_t account = 0;
  std::map<store::GenerationNumber, std::string> held;  // refresh tokens; empty text: a generation without one
  struct Kept {
    Nanoseconds at;
    const Process* by;
  };
  std::map<std::string, Kept> kept;                     // of the same: when, and who brought it
  store::GenerationNumber generation = 1;
  store::Version version = 0;  // as the store last answered
  std::string current;  // the refresh token of that generation
  store::GrantState state = store::GrantState::active;
  std::string why;
  std::optional<WallTime> access_expires_at;
  std::optional<Milliseconds> stamped_ahead = Milliseconds(0);  // how far the clock was ahead by which that is; absent: not known any more
  WallTime settled_at{};          // of the last attempt
  Milliseconds settled_ahead{0};  // the same of that
  // Sent, and not over: who, with what, until when it is over at the latest.
  struct Sent {
    const Process* process;
    std::string token;
    Nanoseconds over_at;
    Nanoseconds sent_at;
  };
  std::vector<Sent> in_flight;
  Nanoseconds refreshed_at{0};         // the last answer with an access token that was stored
  struct Claimed {
    Nanoseconds at;
    std::optional<WallTime> access_expires_at;  // as it was known then
    std::optional<Milliseconds> stamped_ahead;
  };
  std::map<const Process*, Claimed> intended;  // has an intent of its own in the store, open since
  std::deque<Nanoseconds> posts;       // of the last minute
  std::deque<Nanoseconds> demands;     // hand-outs and people's clicks of the last minute
  std::map<const Process*, std::string> arrived;  // the newest refresh token that reached a process, not yet kept
  std::map<const Process*, Milliseconds> heard_ahead;  // how far its clock was ahead when it last read an answer
  bool restored = false;               // from a backup, and no token has come since
  std::optional<WallTime> switched_off_at;  // while it is disabled: by the clock of whoever did that; absent: not known any more
  Nanoseconds rests_since{0};          // since when it rests on its consent, or has one that is kept, without a break
  std::string doubted;                 // the token with which a store that was read back has an attempt on record, its answer unknown
  int doubted_attempts = 0;            // ... and how many
};

struct Losses {
  std::uint64_t never_arrived = 0;      // F11: the provider had committed, the reply never came
  std::uint64_t died_with_process = 0;  // F11: the machine died between arrival and fsync
  std::uint64_t unreadable = 0;         // the reply held no token
  std::uint64_t tried_at_the_end = 0;   // F1, F6: a token spent, or in doubt, was sent near the end while another node held the newer one, or the first request was on its way
  std::uint64_t repeated = 0;           // somebody on the way sent a request twice, and the provider took the second for a replay
  std::uint64_t behind_a_restore = 0;   // F10: given after the backup that was put back
  std::uint64_t given_back = 0;         // F7: went back in the moment in which somebody came to need it, or before the store forgot that nobody did
};

class Invariants {
 public:
  Invariants(Timeline& timeline, std::vector<Provider>& providers, const grants::Sealing& sealing, Story& story_in)
      : story(story_in), timeline_(timeline), providers_(providers), sealing_(sealing) {}

  Story& story;

  std::vector<Subject> subjects;
  std::map<GrantId, std::size_t> by_grant;
  Losses losses;
  std::uint64_t refreshed = 0;
  std::uint64_t handed_out = 0;
  std::uint64_t stale_by_travel = 0;  // handed out within the reply's travel time after its end
  bool has_been_restored = false;     // ... and a backup does not know how far the approach to "too early" had come
  bool has_fallen_back = false;       // what it knew then comes from the journal, when it is needed
  bool one_journal = false;           // of the only node: what it holds, that node knows
  bool clocks_stepped = false;        // wall clocks jump in this world: some rules about time cannot be judged
  Seconds disabled_after{0};          // what was set: store::entry_of_switched_off()
  Seconds give_up_after{0};
  std::uint64_t revoked_after_switching_off = 0;
  std::uint64_t trace = 14695981039346656037u;  // hash over what happened: when, and with which octets
  void note(std::uint64_t what) { trace = (trace ^ what ^ static_cast<std::uint64_t>(timeline_.now().count())) * 1099511628211u; }
  void note(ByteView octets) {
    for (const auto octet : octets) trace = (trace ^ octet) * 1099511628211u;
    note(octets.size());
  }
  [[nodiscard]] bool broken() const { return !broken_.empty(); }
  [[nodiscard]] std::size_t broken_at() const { return broken_at_; }  // the subject of the first violation
  [[nodiscard]] const std::vector<std::string>& violations() const { return broken_; }

  // A token request leaves / is over / brought these.
  void sent(const Process& process, std::size_t subject, const std::string& token, Nanoseconds over_at);
  void count_for_cap(const Subject& subject);
  std::vector<std::size_t> caps;  // by provider: token requests within a minute, over all nodes; 0: none
  void over(const Process& process, std::size_t subject, const std::string& token);
  void arrived(const Process& process, std::size_t subject, const Answer& answer, bool refresh_token_whole, bool whole);
  // What the sender has read says this of the token sent. `journal_knows`: so will its journal.
  enum class Said { what_became_of_it, nothing_new, nothing };
  void told(const Process& process, std::size_t subject, const std::string& token, Nanoseconds sent_at, Said said, bool journal_knows);
  void lost(const Process& process, std::size_t subject, const std::string& token, Nanoseconds sent_at, const Answer* answer);
  // It never arrives. `of_two`: to the same request, read twice; the other one may.
  enum class Dropped { only, of_two };
  void dropped(std::size_t subject, const Answer& answer, Dropped which = Dropped::only);
  void process_died(const Process& process);
  // Given back by a request sent at `sent_at`, a token has ended what the provider honoured of this account.
  void gave_back(std::size_t subject, Nanoseconds sent_at);
  // The journal said yes, or no.
  void journaled(const Process& process, GrantId grant, IntentId intent, bool durable);
  void found_in_journal(IntentId intent) { journaled_.insert(intent); }
  // The store has committed.
  void committed(const Process& process, const store::Batch& batch);
  enum class Past { kept, put_back };            // put back: what was answered since may be gone
  void read_back(const store::GrantView& view, Past past = Past::kept);  // a store that was opened again
  void restored();                               // ... and it was a backup, put back
  [[nodiscard]] std::size_t fallen_back_lately() const;  // within two minutes
  void fell_back();                              // ... and it has forgotten the last moments
  // `ahead`: how far the clock is that whoever hands it out goes by.
  void handed_out_token(std::size_t subject, std::string_view access_token, Nanoseconds asked_at, Nanoseconds ahead);
  void demanded(std::size_t subject) { subjects[subject].demands.push_back(timeline_.now()); }
  // Every grant that its provider honours has been refreshed since, and nothing is in flight.
  [[nodiscard]] bool all_well_since(Nanoseconds when);
  // The world is quiet: nothing in flight, everything merged. `waiting`: what waits to be given back, at `now` by a node's clock.
  void at_rest(const std::vector<store::Revocation>& waiting, WallTime now);
  // A person consents anew, which may end at the provider what was to be given back.
  void consents_anew(std::size_t subject);
  void fresh_at_last(std::size_t subject, const store::GrantView& view, WallTime now);
  void fail(std::size_t subject, std::string_view rule, std::string what);

  [[nodiscard]] Provider& provider_of(const Subject& subject) { return providers_[subject.provider]; }
  [[nodiscard]] Account& account_of(const Subject& subject) const { return providers_[subject.provider].accounts[subject.account]; }
  [[nodiscard]] bool holds_live(const Subject& subject);
  [[nodiscard]] int refusals_of(const Subject& subject);  // of the token in use
  std::function<Nanoseconds(const Process&)> clock_ahead = [](const Process&) { return Nanoseconds(0); };
  // ... and how far the clock is ahead by which that process decides.
  std::function<Milliseconds(const Process&)> decides_ahead = [](const Process&) { return Milliseconds(0); };
  // A node that stands still or does not reach the store: it brings what has arrived when it can again.
  std::function<bool(const Process&)> is_held_up = [](const Process& process) { return process.stopped(); };

 private:
  [[nodiscard]] bool is_news_to(const Process& process, const Subject& subject, const std::string& token) const;
  void check_replay(const Process& process, Subject& subject, std::size_t index, const std::string& token);
  void check_again(const Process& process, const Subject& subject, std::size_t index, const RefreshToken& token);
  void note_intent(const Process& process, Subject& subject, const store::Intent& intent);
  void note_state(const Process& process, std::size_t index, store::GrantState state, const store::Batch& batch);
  [[nodiscard]] bool is_kept(const Subject& subject, WallTime at) const;  // switched off, and to be there when it is switched on again
  [[nodiscard]] bool rests(const Subject& subject) const { return store::may_rest_on_consent(subject.state) || is_kept(subject, true_time(timeline_)); }
  void note_entry(const store::Mutation& mutation);
  enum class Merged { yes, not_yet };
  void check_given_back(std::size_t index, Merged journals);
  void check_due(const std::vector<store::Revocation>& waiting, WallTime now);
  [[nodiscard]] bool lasts_long(const Process& process, const Subject& subject) const;
  [[nodiscard]] Subject as_claimed(const Process& process, const Subject& subject) const;
  void let_go(Subject& subject, store::GenerationNumber number);  // a generation was deleted
  void check_order(Subject& subject, std::size_t index);
  static void supersede(Account& account, const Subject& subject, const RefreshToken& by);
  void count_loss(std::size_t index);
  void check_rate(Subject& subject, std::size_t index);
  // Whether anybody knows of an attempt without an answer: the process that made it, and the store unless a standby has not heard of it.
  [[nodiscard]] bool is_known(const Process& process, Nanoseconds sent_at) const { return !process.dead() || !fell_back_at_ || sent_at > *fell_back_at_; }
  void leave_in_doubt(const Process& process, RefreshToken& spent, Nanoseconds sent_at) const;
  void doubt(const Process& process, RefreshToken& token, Nanoseconds sent_at) const;
  static void believe(RefreshToken& token);  // not in doubt, or nobody knows of it
  void forget_unless_known(RefreshToken& token) const;
  [[nodiscard]] bool is_still_to_come(const Subject& subject) const;

  Timeline& timeline_;
  std::vector<Provider>& providers_;
  const grants::Sealing& sealing_;
  std::map<std::size_t, std::deque<Nanoseconds>> sent_to_;  // by provider, of the last minute
  std::optional<Nanoseconds> fell_back_at_;
  std::vector<Nanoseconds> fallen_back_;
  std::map<RevocationId, GrantId> entries_;  // whose tokens wait to be given back
  std::set<IntentId> counted_;  // whose answer has brought the store an access token
  std::set<IntentId> journaled_;
  std::vector<std::string> broken_;
  std::size_t broken_at_ = 0;
};

}  // namespace latchkey::simulation
