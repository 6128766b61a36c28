// The keeper: no grant is lost that its provider still honours (docs/reliability.md, RULES F).
//
// One refresh: claim with lease and fence, with the intent in the same commit and a journal slot reserved before it ->
// POST -> raw reply durable -> parse -> compare-and-set on the generation -> publish.
//
// Invariants:
//  - at most one flight per grant in this process; who wants the token meanwhile joins it (R8, R9);
//  - flights belong to the keeper, not to who asked: a caller that hangs up changes nothing;
//  - a flight that has POSTed ends only when what came back is in the store: while the store refuses (full disk), the
//    reply is held in memory and on the journal, and the commit tried again (R4);
//  - after a failed journal sync nothing is refreshed (RULES F5).
// Concurrency: everything runs on the engine's executor.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "base/broadcast.h"
#include "base/task_group.h"
#include "grants/alerts.h"
#include "grants/circuit.h"
#include "grants/counters.h"
#include "grants/exchange.h"
#include "grants/exchange_gate.h"
#include "grants/giving_back.h"
#include "grants/held_back.h"
#include "grants/lifecycle.h"
#include "grants/odd_ones.h"
#include "grants/provider_client.h"
#include "grants/token_uses.h"

namespace latchkey::grants {

// What must be left of a lease beyond the hard deadline of an exchange when its POST starts (F3).
inline constexpr Seconds kLeaseReserve{15};
// The reason when too little was left, so that nothing was sent.
inline constexpr std::string_view kLeaseTooShort = "lease_too_short";

// The registry's knobs, read at every use so that a change takes effect at once.
struct KeeperTuning {
  ExchangeTimeouts timeouts;
  Seconds lease{90};
  std::size_t one_shot_parallel = 32;
  std::size_t parallel = 256;
};

// A provider's circuit breaker for one app, as people read it.
struct AppCircuit {
  std::string app;
  bool open = false;
  int failures = 0;  // in a row
  std::optional<WallTime> since;        // open since
  std::optional<WallTime> next_try_at;
};

// Where a hand-out's memory of a grant must be forgotten: called after every commit that changes one.
class GrantWatcher {
 public:
  virtual ~GrantWatcher() = default;
  virtual void grant_changed(UserId user, GrantId grant) = 0;
};

inline constexpr std::size_t kOpenIntentsMax = 10'000;  // read at once

class Keeper {
 public:
  // Shown a new access token before it is sealed.
  using LookAtToken = std::function<Task<void>(const Secret&)>;
  struct Parts {
    store::Store& store;
    store::ReplyJournal& journal;
    Exchange& exchange;
    ProviderClients& clients;
    GivingBack& giving_back;
    const Sealing& sealing;
    Alerts& alerts;
    Counters& counters;
    GrantWatcher& watcher;
    const WallClock& wall;     // a PrudentClock
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    Executor executor;
    NodeId node;
    std::function<KeeperTuning()> tuning;
    std::function<Seconds(std::string_view type)> polling_time;
    // Of a shared store: whether it is sure to count this node among those at work, so that nobody else has declared it lost and changed
    // the master key since (F6). Absent: there is no other.
    std::function<bool()> is_counted = {};
    // Of a shared store: whether the database that is reached has been told what this node's journal knows (FailOverWatch); nothing is
    // sent before. Absent: there is only one.
    std::function<bool()> may_send = {};
  };
  explicit Keeper(Parts parts);
  ~Keeper();

  // Reads what an earlier process left in the journal and in the store, then keeps; that is merged and settled in the
  // background, and before anything else is done with the grants concerned. Runs until stop().
  [[nodiscard]] Task<Result<void>> start();
  // Starts nothing new; returns when every exchange in flight has been committed.
  [[nodiscard]] Task<void> stop();

  // The grant with a token good for at least `min_valid` more (capped at half its lifetime), refreshing if need be and
  // joining a refresh in flight. A still-valid token is served whatever happens to the refresh. Errors: not_found/
  // `no_such_grant`, needs_person/`authorization_needed`, unavailable/`provider_unreachable`, misconfigured/
  // `app_misconfigured` (both with retry_after).
  [[nodiscard]] Task<Result<store::GrantView>> fresh(GrantId grant, Seconds min_valid);
  // Whether fresh() would answer with the view as it is: no refresh is needed or to be waited for. From any thread.
  [[nodiscard]] bool is_fresh(const store::GrantView& view, Seconds min_valid) const;

  // Refreshes now, or joins the refresh in flight.
  [[nodiscard]] Task<Result<store::Grant>> refresh_now(GrantId grant, LookAtToken with_token = {});

  // Exchanges begun by a process that will not tell how they ended: their answers count as lost. Those of which the store could not
  // say, or write, what became of them are left open, which is read like ambiguous, and returned.
  [[nodiscard]] Task<std::vector<store::Intent>> settle_lost(std::vector<store::Intent> intents, std::string why);
  // Refreshes nothing more until the process ends: another one does it under this node's name. Tokens still good are served.
  void halt(std::string why);
  // Documents on their way: what they are sent by is not ended by a refresh as long as that can wait (F9).
  [[nodiscard]] TokenUses& uses() { return uses_; }

  // After a restore of a shared store: the machines that have yet to bring back what their journals kept; empty: none, or none any
  // more. Until then what this node's journal brings is not sent (F10).
  void await_nodes(std::string names);
  // A shared store fell back, perhaps, when a standby took over. When what is on its way has landed, whatever the journal knows and the
  // store does not is brought back (F5). Errors: those of the store; nothing is lost then, and it is to be called again.
  [[nodiscard]] Task<Result<void>> bring_back_answers();
  [[nodiscard]] SteadyTime brought_back_at() const { return brought_back_at_; }
  // Which others have yet to do so; what is sent meanwhile: wait_for_journals().
  void follow_fail_over(AwaitedJournals awaited);
  // Whether the journal has answers that the store has not confirmed, this process's own or ones that cannot be read.
  [[nodiscard]] Task<bool> holds_answers();
  // Whether what an earlier process left in the journal is in the store, as far as it can be: what is unreadable is told by an
  // alert of its own, and must not hold up other nodes' grants.
  [[nodiscard]] bool has_merged() const {
    return started_ && std::ranges::all_of(unmerged_, [this](const auto& waiting) { return unreadable_.contains(waiting.first); });
  }

  // A grant or app was changed from outside: look again at once.
  void nudge();
  // The app works again: grants that waited for it fall due now.
  [[nodiscard]] Task<void> wake_grants_of(std::string app);
  [[nodiscard]] TypeRules rules_for(const catalog::ResolvedType& type) const;

  // Of every app asked since the start; by app.
  [[nodiscard]] std::vector<AppCircuit> circuits() const;

  // For journal entries of code exchanges (generation 0): who completes them. Set before start().
  using Recover = std::function<Task<Result<void>>(store::JournalEntry)>;
  // `take_up`: for such an exchange of which nothing is in the journal; false: its answer is lost. Errors: those of the store.
  using TakeUp = std::function<Task<Result<bool>>(store::Intent)>;
  void set_code_recovery(Recover recover, TakeUp take_up) {
    recover_code_ = std::move(recover);
    take_up_code_ = std::move(take_up);
  }
  // For an exchange that a person waits for, and whose code lives for half a minute at some providers: it goes before whatever else waits
  // for that app, and after a few seconds in any case. Held while it may be on its way; it counts like every other one (F4, R25).
  [[nodiscard]] Task<ExchangeGate::Place> place_in_haste(std::string app, std::string provider, bool one_shot);
  // The answer to a code exchange of this process, which the store would not take: completed as soon as it does.
  void await_code(store::JournalEntry entry);
  // A reply left in the journal was sealed anew under another master key: what was read of it at the start is stale.
  void take_resealed(const store::JournalEntry& entry) { resealed_[entry.intent] = entry.reply_sealed; }
  // Whether the answer to this code exchange lies in the journal, not merged yet.
  [[nodiscard]] bool awaits_code(GrantId exchange) const { return codes_awaited_.contains(exchange); }
  // Whether every exchange that an earlier process left open has been settled or taken up.
  [[nodiscard]] bool has_settled_lost() const { return settled_lost_; }

 private:
  struct Flight {
    Flight(GrantId grant_in, Urge urge_in, const Executor& executor) : grant(grant_in), urge(urge_in), landed(executor) {}
    GrantId grant;
    Urge urge;
    std::optional<ExchangeGate::Place> place;  // held while an exchange may be on its way
    std::string app;                           // where the sweep has sent it: whose grants it makes room for
    std::string probes_app;                    // whose circuit it may close; empty: none
    bool turned_away = false;                  // at the gate: nothing was tried
    bool idle = false;                         // nothing was to be done now, and nothing was written
    LookAtToken with_token;
    base::Broadcast landed;
    std::optional<Result<store::Grant>> result;
  };
  struct AppHealth {
    Circuit circuit;
    RateCap cap{std::nullopt};
    SteadyTime probe_at{};         // of a paused app
    std::size_t probes = 0;        // so that each asks for another grant
    std::size_t secret_next = 0;   // of the app's secrets is tried first, since those before it were refused
    store::Version secrets_of{};   // the version of the registration that this is true of
    OddOnes unserved;     // the provider did not answer, or not as it should
    OddOnes complaining;  // it finds fault with the app, or with the grant's request
    std::optional<SteadyTime> let_in_at{};  // when it last took the app for what it is, whatever it said of the grant
  };
  // Grants of an app for which no client could be made because something is misconfigured.
  struct Unprepared {
    std::map<GrantId, SteadyTime> seen;  // and when that was seen last
    std::size_t in_a_row = 0;            // with none between them for which one could be made
    SteadyTime look_at{};                // where these are many: not before
  };
  // How an exchange ended in the store. `unowned`: the grant was deleted or authorised anew; nobody needs what came.
  struct Landed {
    Result<store::Grant> grant;
    bool unowned = false;
  };
  enum class Origin { exchange, journal };  // of an outcome
  // A moment by both clocks: the steady one stands still while the machine sleeps, the other one is set.
  struct Begun {
    SteadyTime steady;
    WallTime wall;
  };
  // A grant whose stamps looked as if from the future, and when.
  struct Suspect {
    GrantId grant;
    store::Version version;
    WallTime seen_at;
  };
  class HoldBack;

  // the loop and its flights: keeper.cpp
  [[nodiscard]] Task<void> run();
  [[nodiscard]] Task<void> tick();
  // The last look left grants behind, and what they lacked has come free since.
  [[nodiscard]] bool has_room_again() const;
  [[nodiscard]] Task<void> probe_paused_apps();
  [[nodiscard]] Task<void> count_states();
  // `place`, `probes_app`: what the sweep has taken for it.
  std::shared_ptr<Flight> join_or_start(GrantId grant, Urge urge, LookAtToken with_token, std::optional<ExchangeGate::Place> place = {},
                                        std::string probes_app = {});
  // A flight, and one after the other those that go in the place it gives back.
  [[nodiscard]] Task<void> fly(std::shared_ptr<Flight> flight);
  [[nodiscard]] Task<void> fly_one(std::shared_ptr<Flight> flight);
  // What the last sweep found due and had no place for: of the app that has just given one back, or else of others.
  [[nodiscard]] std::shared_ptr<Flight> next_after(const Flight& landed);
  [[nodiscard]] std::shared_ptr<Flight> next_of(const std::string& app);
  void leave_over(const store::DueGrant& grant);
  [[nodiscard]] std::shared_ptr<Flight> make_flight(GrantId grant, Urge urge, std::optional<ExchangeGate::Place> place);
  [[nodiscard]] Error error_of(const store::Grant& grant, WallTime now) const;
  // Apps of which the sweep is to bring none now: their provider is out of reach, or nothing can be asked for in their name.
  [[nodiscard]] std::vector<std::string> resting_apps() const;
  // By app whose provider is out of reach: whom of those due it is asked by, one that has not failed by itself if there is one.
  [[nodiscard]] std::map<std::string, GrantId> probers_among(const std::vector<store::DueGrant>& due) const;
  // Of an app in whose name nothing could be asked for lately, those that have not shown it go first.
  void put_unprepared_last(std::vector<store::DueGrant>& due) const;
  [[nodiscard]] AppHealth& health(const std::string& app, const std::string& provider);
  void note_health(const ProviderClient& client, const store::Grant& grant, const ExchangeOutcome& outcome);
  void note_failed(AppHealth& state, GrantId grant);
  // A refused client, or three grants whose requests are, with nobody let in meanwhile: the app is paused.
  void note_complaint(AppHealth& state, const ProviderClient& client, GrantId grant, const Replied& replied);
  [[nodiscard]] bool complains_alone(const store::Grant& grant) const;
  void note_unprepared(const store::Grant& grant);
  [[nodiscard]] Task<void> repeat_merging();
  void raise_paused(const std::string& app, std::string_view why);
  // `refused`: the version of the app's record that the provider refused.
  [[nodiscard]] Task<void> pause_app(std::string app, store::Version refused, std::string why);
  /// Whether the registration that a provider has just refused is no longer the one that stands in the store.
  [[nodiscard]] Task<bool> is_mended_since(std::string app, store::Version refused);
  [[nodiscard]] Task<void> resume_app(std::string app);
  // A client could be made for this grant: if it was the last of its app that could not, the alert ends.
  void note_prepared(const std::string& app, GrantId grant, bool paused);
  // Grants that are asked for no more (deleted, locked) hold no alert up.
  void forget_unprepared(const std::set<std::string>& paused_apps);

  // another polling time: keeper_pace.cpp
  // Types whose polling time has become shorter since the last call.
  [[nodiscard]] std::vector<std::string> note_quickened();
  // Due times are kept with the grants: those of these types that lie too late by now are made anew.
  [[nodiscard]] Task<void> bring_forward(std::vector<std::string> types);
  [[nodiscard]] Task<void> bring_forward_one(GrantId grant);
  // A grant whose flight fails for a reason that lasts must not stand first among those that are due (its record was altered).
  [[nodiscard]] Task<void> set_aside(GrantId grant, Error why);
  // Stamps of a clock that ran ahead, which was set right since (R24).
  [[nodiscard]] Task<void> mend_stamps();
  [[nodiscard]] Task<bool> mend_stamps_of(Suspect suspect);          // false: the store could not, for now
  [[nodiscard]] Task<Result<void>> try_to_mend_stamps_of(Suspect suspect);

  [[nodiscard]] bool counts() const { return !parts_.is_counted || parts_.is_counted(); }
  [[nodiscard]] bool may_send() const { return counts() && (!parts_.may_send || parts_.may_send()); }

  // one refresh: keeper_refresh.cpp
  [[nodiscard]] Task<Result<store::Grant>> refresh(std::shared_ptr<Flight> flight);
  // The flight waits for its place. Errors: unavailable/`provider_unreachable` when none came in time, the provider's circuit is open
  // for whoever only wants a token, or the server stops.
  [[nodiscard]] Task<Result<void>> board(std::shared_ptr<Flight> flight, std::string app, std::string provider, bool one_shot);
  // Why nobody who only wants this grant's token may ask its app's provider now; nullopt: ask.
  [[nodiscard]] std::optional<Error> while_circuit_open(const std::string& app, GrantId grant) const;
  // What the journal holds of a grant and the store does not: a store that fell back behind what it had taken (F5, F10).
  // Answers to the generation in use and to later ones, and those that came beside what is in use (came_beside()). `view`: as it was
  // read just now. What cannot be read is passed over, or, where what is in the store must not be sent without it, an error that lasts.
  enum class Unreadable { passed_over, error };
  [[nodiscard]] Task<Result<void>> merge_answers(store::GrantView view, Unreadable unreadable);
  // The same of a grant that may be gone; what cannot be read is passed over.
  [[nodiscard]] Task<Result<void>> merge_answers_of(GrantId grant);
  // The grant's client could not be made.
  [[nodiscard]] Task<Result<store::Grant>> end_unprepared(store::GrantView view, Error why);
  [[nodiscard]] Task<Result<store::Grant>> wait_for_other_hands(store::Grant grant);
  [[nodiscard]] Task<Result<store::Grant>> spend(store::GrantView view, std::shared_ptr<const ProviderClient> client, TypeRules rules,
                                                 LookAtToken with_token);
  [[nodiscard]] Step step_for(const store::GrantView& view, const store::Intent& intent, const ExchangeOutcome& outcome,
                              const RefreshMaterial& spent, const catalog::ResolvedType& type, const TypeRules& rules) const;
  void alert_store_refuses();
  // Commits a step made from the newest view, again and again until the store has it (R4, R6). `known`: the view to try first.
  [[nodiscard]] Task<Landed> commit_step(GrantId grant, std::optional<store::GrantView> known, store::Intent intent,
                                         const ExchangeOutcome& outcome, const RefreshMaterial& spent,
                                         const catalog::ResolvedType& type, TypeRules rules, Origin origin);
  // Whether the store still holds the claim, and nobody has switched the grant off. False: no, or nobody knows before `until`.
  [[nodiscard]] Task<bool> still_holds(Claim claim, SteadyTime until);
  [[nodiscard]] std::size_t first_secret(const ProviderClient& client);  // which of the app's secrets is tried first
  [[nodiscard]] Task<ExchangeOutcome> exchange(std::shared_ptr<const ProviderClient> client, Claim claim, TypeRules rules,
                                               const RefreshMaterial& material, Begun begun);
  void add_history(Step& step, const store::Grant& before, const ExchangeOutcome* outcome) const;
  void note_change(const store::Grant& before, const store::Grant& after);
  // What came for nobody (F7): made once, so that a commit whose answer was lost makes no second one of it.
  struct WayBack {
    std::optional<store::PutRevocation> entry;  // none: it brought nothing, or the provider cannot be asked
  };
  [[nodiscard]] WayBack way_back(const store::Grant& whose, const ExchangeOutcome& outcome) const;
  [[nodiscard]] Task<Result<void>> give_back(const WayBack& what);
  [[nodiscard]] Task<void> postpone(store::GrantView view, WallTime at, std::string why);
  [[nodiscard]] std::chrono::nanoseconds since(Begun begun) const;
  void note_refused_write(const Error& error);

  // after a crash: keeper_recovery.cpp
  [[nodiscard]] Task<Result<void>> read_what_was_left();
  // Part of the grant's flight. Errors: what keeps an entry from being merged now.
  [[nodiscard]] Task<Result<void>> merge_unmerged(GrantId grant);
  void note_unreadable(GrantId grant, const Error* error);
  // Of a grant whose answers could not be read: once more, if they still matter. `view`: absent: it is gone.
  [[nodiscard]] Task<Result<void>> read_again(std::optional<store::GrantView> view, GrantId grant);
  // Before this node says that it has brought back what its journal knows: the attempt that an unreadable answer belongs to is in doubt
  // for all of them (F1).
  [[nodiscard]] Task<Result<void>> mark_in_doubt(GrantId grant);
  [[nodiscard]] Task<void> settle_forgotten();
  // Again and again while others change the grant meanwhile. Errors: what keeps an entry from being merged.
  // `first_at`: when the first answer to the same attempts came, where it is known.
  [[nodiscard]] Task<Result<void>> merge_entry(store::JournalEntry entry, std::optional<WallTime> first_at = std::nullopt);
  [[nodiscard]] Task<Result<void>> merge_into_what_is_there(store::JournalEntry entry, WallTime first_at);
  [[nodiscard]] Task<Result<void>> merge_ahead(store::GrantView view, store::Intent intent, Replied replied, TypeRules rules);
  [[nodiscard]] Task<Result<void>> merge_beside(store::GrantView view, store::Intent intent, Replied replied);
  // An answer to a consent of another account, of which the store knows nothing: the grant stays as it is, and in doubt where its token
  // may be sent once only.
  [[nodiscard]] Task<Result<void>> pass_over_anothers(store::GrantView view, store::JournalEntry entry, bool one_shot);
  void note_anothers(const store::JournalEntry& entry);
  void hold_for_others(Step& step, const store::Grant& before, const TypeRules& rules) const;
  void start_recovering_codes();
  [[nodiscard]] store::JournalEntry as_sealed_now(store::JournalEntry entry) const;
  [[nodiscard]] Task<void> recover_codes();
  [[nodiscard]] Task<void> postpone_unknown(GrantId grant);
  // Whether a claim whose answer was lost has happened. Errors: conflict/`version` when it has not, those of the store.
  [[nodiscard]] Task<Result<void>> find_out(Claim claim, SteadyTime until);

  Parts parts_;
  TaskGroup flights_group_;
  TaskGroup loop_group_;
  base::Broadcast wake_;
  std::unordered_map<GrantId, std::shared_ptr<Flight>, base::IdHash> flights_;
  std::map<std::string, AppHealth> apps_;
  std::map<std::string, Unprepared> unprepared_;  // by app
  HeldBack held_back_;
  TokenUses uses_;
  // Replies an earlier process left in the journal, oldest first: no POST for a grant while it has one (F2).
  std::map<GrantId, std::vector<store::JournalEntry>> unmerged_;
  std::set<GrantId> unreadable_;               // of those, the ones that time alone does not mend
  std::set<std::tuple<GrantId, store::GenerationNumber, WallTime>> anothers_;  // answers of another account, told of already
  std::vector<store::JournalEntry> codes_;     // the same of code exchanges
  std::map<IntentId, Bytes> resealed_;         // of both
  std::set<GrantId> codes_awaited_;            // and what they belong to, until they are merged
  std::vector<store::Intent> forgotten_;       // opened by an earlier process, of which the journal knows no reply
  SteadyTime settle_again_at_{};               // when the store would not say what became of them
  std::unordered_map<GrantId, SteadyTime, base::IdHash> not_before_;  // flights that failed on this side rest a while
  SteadyTime sweep_again_at_{};   // the last one took long for nothing
  SteadyTime others_again_at_{};  // ... where it looked behind the grants of apps that take no more
  // By app, the oldest first: found due by the last sweep, which had no place for them (F4). None is empty.
  std::map<std::string, std::deque<store::DueGrant>> left_over_;
  SteadyTime left_over_at_{};
  std::size_t passed_over_ = 0;  // by the last sweep: due, and under way already
  bool left_over_done_ = false;  // of an app that had some nothing is left: worth another sweep
  bool nudged_ = false;  // something has fallen due since the sweep under way began, if one is
  bool due_unreadable_ = false;  // what is due cannot be read, and that has been said
  SteadyTime merge_again_at_{};
  SteadyTime read_again_at_{};
  GrantId read_again_after_{};  // the last one of those read again
  bool merges_wait_ = false;  // for lack of room
  std::size_t merging_ = 0;   // flights that only merge
  ExchangeGate gate_;
  std::map<std::string, Seconds> polling_times_;  // by type, as last seen
  SteadyTime writes_rest_until_{};   // the store has just refused one
  bool states_changed_ = true;
  SteadyTime count_states_at_{};
  bool started_ = false;
  bool stopping_ = false;
  std::string awaited_;              // after a restore, nodes whose journals may hold what is newer; empty: none
  AwaitedJournals journals_awaited_; // the same after a fail-over
  SteadyTime brought_back_at_{};     // when this node brought back its own
  bool recovering_codes_ = false;
  std::string halted_;               // why nothing is refreshed any more; empty: all is well
  bool settled_lost_ = false;
  Recover recover_code_;
  TakeUp take_up_code_;
};

}  // namespace latchkey::grants
