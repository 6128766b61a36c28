// The Authorizer at work: pending records in the store, exchanges that belong to this object and not to a browser.
//
// Invariants: a flow's state is used once (compare-and-set on the record's version); an exchange begun runs to its commit
// whatever the browser does; nothing but the Authorization record exists before consent has succeeded.
// Concurrency: the engine's executor.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "base/task_group.h"
#include "grants/attempt_changes.h"
#include "grants/attempt_locks.h"
#include "grants/authorize.h"
#include "grants/cloud_enrolment_reader.h"
#include "grants/cloud_line.h"
#include "grants/counters.h"
#include "grants/consents_under_way.h"
#include "grants/device_codes.h"
#include "grants/enrolment.h"
#include "grants/flow_cookies.h"
#include "grants/flow_record.h"
#include "grants/grant_desk.h"
#include "grants/identity.h"
#include "grants/keeper.h"
#include "grants/refused_answers.h"

namespace latchkey::grants {

class AuthorizationDesk final : public Authorizer, private DeviceCodeAttempts {
 public:
  struct Parts {
    store::Store& store;
    store::ReplyJournal& journal;
    Exchange& exchange;
    ProviderClients& clients;
    Keeper& keeper;
    GivingBack& giving_back;
    Counters& counters;
    const vault::Vault& vault;
    const Sealing& sealing;
    Enrolment& enrolment;
    net::HttpTransport& transport;
    GrantWatcher& watcher;
    const WallClock& wall;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    Executor executor;
    NodeId node;
    std::function<Seconds()> pending_lifetime;
    std::function<Seconds()> link_lifetime;
    std::function<KeeperTuning()> tuning;
    std::function<bool(std::string_view type)> device_code_allowed;  // RULES A5
    CloudLine* cloud = nullptr;  // nullptr: no Cloud Service is used
    std::function<bool()> use_cloud_service = [] { return true; };
  };
  explicit AuthorizationDesk(Parts parts);
  ~AuthorizationDesk() override;

  // Goes on with the device codes of before; expires what is overdue, every few seconds, until stop().
  void start_sweeping();
  [[nodiscard]] Task<void> stop();
  // A journaled reply of a code exchange whose commit a crash prevented.
  [[nodiscard]] Task<Result<void>> recover(store::JournalEntry entry);
  // A code exchange that was open when its process ended. True: its answer may be kept on the way, and is asked for from now on
  // (RULES S4).
  [[nodiscard]] Task<Result<bool>> take_up(store::Intent intent);

  // Whether a consent that waits for a person's answer came from this account at this app; true as well when that cannot be
  // told.
  [[nodiscard]] Task<bool> holds_consent(std::string app, std::string account_id);
  // Whether an attempt at this app has begun (a code, or what came of it, belongs to the place the app stands for) and is not over.
  [[nodiscard]] Task<Result<bool>> has_unfinished(std::string app);

  [[nodiscard]] Task<Result<Begun>> begin(AuthorizationWish wish, Requester requester) override;
  [[nodiscard]] Task<Result<StartPage>> start(std::string ticket, Bytes session_hash, Confirmed confirmed, Parameters flow_cookies) override;
  [[nodiscard]] Task<CallbackPage> callback(std::string app, std::string query, Parameters flow_cookies) override;
  [[nodiscard]] Task<CallbackPage> relayed(std::string attempt, std::string handle, Parameters flow_cookies) override;
  [[nodiscard]] Task<Result<AuthorizationView>> view(AuthorizationId id) override;
  [[nodiscard]] Task<Result<AuthorizationView>> view_after_change(AuthorizationId id, Seconds wait) override;
  [[nodiscard]] Task<Result<void>> cancel(AuthorizationId id, Requester requester) override;
  [[nodiscard]] Task<Result<std::vector<AuthorizationView>>> pending(std::size_t limit) override;
  [[nodiscard]] Task<Result<AuthorizationView>> confirm(AuthorizationId id, Answer answer, std::string question, Requester requester) override;
  [[nodiscard]] Task<Result<void>> undo(AuthorizationId id, Requester requester) override;
  [[nodiscard]] Task<Result<AuthorizationView>> import_token(AuthorizationWish wish, Secret refresh_token, Requester requester) override;

  // What is open ends, links and dialogs too, since what it is for was switched off or revoked; its tokens are given back. Errors: those
  // of the store: some may be open then, and end when they come to be completed (attempt_locks.h).
  [[nodiscard]] Task<Result<void>> end_open(OpenAttempts which, Requester requester);
  // The same in the background.
  void end_open_later(OpenAttempts which, Requester requester);

 private:
  using Flow = PendingFlow;
  struct Prepared {
    Flow flow;
    ProviderClient client;
  };

  // what is locked: authorization_locks.cpp
  struct Ending {
    OpenAttempts which;
    Requester requester;
  };
  [[nodiscard]] Task<Result<void>> end_all(std::vector<Ending> these);
  [[nodiscard]] Task<Result<void>> end_if_open(store::Authorization row, const std::vector<Ending>& these);
  [[nodiscard]] Task<void> end_later();
  // check_unlocked() as things stand. Errors besides: not_found/`no_such_group`, `no_such_user`, `no_such_grant`; those of the store.
  [[nodiscard]] Task<Result<void>> check_unlocked_now(const FlowRecord& record);

  // begin
  [[nodiscard]] Task<Result<Prepared>> prepare(AuthorizationWish wish, Requester requester);
  [[nodiscard]] Task<Result<FlowRecord>> record_for(AuthorizationWish& wish, const Requester& requester);
  [[nodiscard]] Task<Result<FlowRecord>> record_for_new_user(AuthorizationWish& wish);
  [[nodiscard]] Task<Result<FlowRecord>> record_for_linked_user(AuthorizationWish& wish, const Requester& requester);
  [[nodiscard]] Task<Result<FlowRecord>> record_for_replaced_grant(AuthorizationWish& wish, const Requester& requester);
  [[nodiscard]] Task<Result<std::string>> app_for(const catalog::Type& type, std::string wished);
  [[nodiscard]] bool is_reached_in_clear() const;
  [[nodiscard]] Result<void> check_public_address() const;
  [[nodiscard]] Result<void> check_link_address() const;
  // Ends what a new attempt takes the place of (Authorizer::begin). Both outlive it. Errors: those of the store.
  [[nodiscard]] Task<Result<void>> end_former(const FlowRecord& record, const Requester& requester);
  // What this user has open for authorising that grant again.
  [[nodiscard]] Task<std::vector<AuthorizationId>> open_attempts(UserId user, GrantId replaced);
  [[nodiscard]] std::string start_address(const Secret& ticket) const;

  [[nodiscard]] Task<Result<Begun>> insert_with_device_code(Flow flow, store::Batch batch, Requester requester);

  // by way of the Cloud Service: authorization_cloud.cpp
  // The service's registration for a type, where one is used; else empty.
  [[nodiscard]] Task<Result<std::string>> cloud_app_for(std::string type, std::string wished = {});
  [[nodiscard]] Task<Result<CloudEnrolment>> enrolment_for(CloudRoute route);
  // Whether consent can come back the way it will have to.
  [[nodiscard]] Task<Result<void>> check_way(const ProviderClient& client);
  // Errors besides: conflict/`meta` when the enrolment is another than was read.
  [[nodiscard]] Task<Result<void>> check_cloud(CloudRoute route);
  [[nodiscard]] Task<Result<std::string>> begin_address(const Flow& flow, const ProviderClient& client, std::string location);

  // store
  // A new attempt, with what `batch` holds. Errors: conflict/`username_reserved`; those of the store.
  [[nodiscard]] Task<Result<void>> insert_flow(Flow flow, store::Batch batch, Requester requester);
  [[nodiscard]] Result<Flow> open(store::Authorization row) const override;
  void seal_into(Flow& flow) const;
  [[nodiscard]] Task<Result<void>> save(Flow& flow) override;
  // Commits a batch that holds `flow.row` as it is to be. Where the answer to the commit is lost the row is read again: its seal is this
  // write's alone. Errors besides the store's: ambiguous/`commit_ambiguous` when nobody can say in time whether it has happened.
  [[nodiscard]] Task<Result<void>> write(const Flow& flow, store::Batch batch);
  // After a conflict of versions: whether the attempt is still as it was read (`before`), or has only been sealed anew by a
  // rotation of the master key; `flow` then goes on from there. False: somebody cancelled, approved or asked. Errors: those of the
  // store and of the seals.
  [[nodiscard]] Task<Result<bool>> caught_up(Flow& flow, store::Authorization before);
  // Of an answer that nothing waits for.
  [[nodiscard]] static CallbackPage over();
  static constexpr std::string_view kCutOff =
      "The server stopped when the provider's answer had just come, and such an answer is good only once. Press Authorize to begin again.";
  static constexpr std::string_view kCancelled = "Cancelled; nothing was made.";
  static constexpr std::string_view kNotInTime = "Nobody consented in time, so nothing was made. Press Authorize to begin again.";
  static constexpr std::string_view kNotApproved =
      "Somebody consented, but nobody approved the account within seven days, so nothing was made, and what the provider gave is given back. Press Authorize to "
      "begin again.";
  // Ends an attempt whose time is over.
  Task<bool> expire(Flow flow);
  // Ends an attempt whose record cannot be opened, which would hold its username for ever.
  [[nodiscard]] Task<void> bury(store::Authorization row, Error why);
  // settle(), giving back what waited for an answer, in one commit.
  Task<bool> end_unwanted(Flow flow, store::AuthorizationState state, std::string code, std::string text, std::string audit);
  Task<bool> settle(Flow flow, store::AuthorizationState state, std::string code, std::string text, std::string audit) override;
  // settle(), with what else belongs to it. `exchange`: whether the answer to a code that is being spent may yet come; it is then asked for by
  // whoever spends it, or at the next start.
  enum class Asking { over, goes_on };
  [[nodiscard]] Task<bool> end(Flow flow, store::AuthorizationState state, std::string code, std::string text, std::string audit, store::Batch besides,
                               Asking exchange);

  // exchange
  [[nodiscard]] Task<void> exchange_code(Flow flow, Secret code, Parameters others);
  [[nodiscard]] Task<Result<Replied>> spend_code(Flow& flow, const ProviderClient& client, Secret code, IntentId intent);
  // Waits until then; false: the server is stopping.
  [[nodiscard]] Task<bool> goes_on_until(SteadyTime then);
  // No answer to the attempt's code is waited for any more.
  [[nodiscard]] Task<void> forget_exchange(AuthorizationId id);
  // Asks for the answer to a code that was spent by way of somebody who keeps it, until it is here or is known to be nowhere; also for an attempt
  // that ended meanwhile, whose answer is given back.
  [[nodiscard]] Task<void> ask_again(Flow flow, store::Intent intent);
  // Once. `flow` and `client` outlive it. Errors: unavailable (it may be there yet); not_found/`answer_lost`.
  [[nodiscard]] Task<Result<store::JournalEntry>> recall(const Flow& flow, const ProviderClient& client, IntentId intent);
  [[nodiscard]] Task<void> spend_imported(Flow flow, ProviderClient client, ExchangeRequest request, ExchangeGate::Place place);
  // Brings the grant's number up to date, for tokens to be sealed for the next one.
  [[nodiscard]] Task<void> foresee_number(store::Grant& grant);
  // What a new consent's tokens get.
  [[nodiscard]] store::GenerationNumber number_after(const store::Grant& grant) const;
  [[nodiscard]] Task<Result<Harvest>> harvest(const Flow& flow, const ProviderClient& client, const Replied& replied, IntentId intent);
  // what becomes of it: authorization_outcome.cpp
  // What became of what the exchange brought: in the store (as a grant, or waiting for an answer), only in the journal as
  // yet, or nobody's.
  enum class Kept { yes, not_yet, unwanted };
  struct Findings {
    std::string code;  // empty: nothing to ask
    std::string question;
    std::string before_id;
    std::string before_name;
    std::string holder;
    std::string grant_account;  // that of the grant which is authorised anew, at this look
    bool same_as_grant = false;  // the account that the grant had before
    bool known_by_id = false;    // the very account that was expected, as its provider knows it
    bool known_by_name = false;  // only by a name, which anybody may have given themselves
  };
  [[nodiscard]] Task<Kept> take_reply(Flow flow, ProviderClient client_in, Replied replied, IntentId intent);
  [[nodiscard]] Task<void> take_live_reply(Flow flow, ProviderClient client, Replied replied) override;
  [[nodiscard]] Task<Kept> decide(Flow flow);    // with the harvest in: complete, hold, or ask
  // A person is asked.
  [[nodiscard]] Task<Kept> ask(Flow flow, Findings found, store::AuthorizationState state);
  // The user and the grant come to be. `found_account`: the account that the grant had when it was looked at, empty if there was none; where
  // it is another by now, a person is asked anew.
  [[nodiscard]] Task<Kept> complete(Flow flow, std::string found_account);
  [[nodiscard]] Task<Kept> completed(Flow flow);
  // Ends it for a reason that lasts, unless what this very exchange brought is in the store after all.
  [[nodiscard]] Task<Kept> end_failed(Flow flow, store::AuthorizationState before, std::string code, std::string text);
  // What the store has of an attempt whose commit was refused, or may have happened: nothing new, what this very exchange brought,
  // another end (it was cancelled); or it cannot be read.
  enum class Standing { as_it_was, ours, moved_on, unknown };
  [[nodiscard]] Task<Standing> look_again(Flow& flow, store::Authorization before);
  // Whether what this exchange brought has come to this row: as its grant, or to wait for an answer.
  [[nodiscard]] bool bears(const store::Authorization& row, IntentId intent) const;
  void give_back(store::Grant whose, const Replied& replied, const Secret& imported);
  // The same where it was not even found out whose they are: the provider is asked.
  [[nodiscard]] Task<void> give_back_unharvested(FlowRecord record, std::shared_ptr<const ProviderClient> client, Replied replied, Secret imported);
  // The same where the app stands for another place by now.
  void give_back_elsewhere(const FlowRecord& record, const Replied& replied);
  // With tokens in the journal for an attempt that ended meanwhile. False: what is left of it does not say where they belong.
  [[nodiscard]] Task<Result<bool>> give_back_journaled(store::Authorization row, store::JournalEntry entry);
  void give_back_harvest(FlowRecord record);
  struct Unwanted {
    store::Grant whose;
    UnownedTokens tokens;
  };
  // Tokens that wait, sealed, for a person's answer; nullopt: there are none, or they are the operator's own.
  [[nodiscard]] std::optional<Unwanted> waiting_in(const FlowRecord& record) const;
  // For save(): what a person is asked, and until when.
  void put_question(Flow& flow, const Findings& found, store::AuthorizationState state) const;
  // Whether the app still stands for the place where the attempt began. Errors: unavailable, when that cannot be told now.
  [[nodiscard]] Task<Result<bool>> stays_where_it_began(const FlowRecord& record);
  // Who began the attempt, and whether that person could approve its end now, as an administrator. Errors: those of the store.
  struct Asker {
    std::string name;
    bool may_approve = false;
  };
  [[nodiscard]] Task<Result<Asker>> asked_for_by(const Flow& flow);
  // Whether a person must be asked about the account that has consented. Errors: those of the store.
  [[nodiscard]] Task<Result<Findings>> look_at_account(const FlowRecord& record);
  // Errors besides undo()'s: conflict/`version`, when to try again.
  [[nodiscard]] Task<Result<void>> try_undo(AuthorizationId id, Requester requester);
  [[nodiscard]] Task<Result<store::Batch>> completion_batch(Flow& flow, const std::string& found_account);
  [[nodiscard]] Task<Result<void>> add_user(store::Batch& batch, Flow& flow);
  // The number that the new tokens get.
  [[nodiscard]] Task<Result<store::GenerationNumber>> add_grant(store::Batch& batch, Flow& flow, const std::string& found_account);

  // the browser's part: authorization_browser.cpp
  // `relayed`: the attempt for which the Cloud Service has brought this; none: it came straight from the provider.
  [[nodiscard]] Task<CallbackPage> answer_callback(std::string app, std::string query, Parameters flow_cookies, AuthorizationId relayed);
  // The same, once it is known whose answer it is.
  [[nodiscard]] Task<CallbackPage> answer_flow(Flow flow, oauth::Callback answer, std::string app, bool same_browser);
  // What the browser is shown, with the flow's cookie taken away where it is of no more use.
  [[nodiscard]] Task<CallbackPage> without_its_cookie(CallbackPage result);
  [[nodiscard]] AuthorizationView view_of(const store::Authorization& row) const;
  [[nodiscard]] Task<void> sweep();
  // Exchanges that another node has under way, or whose answer lies in its journal, until it has told or is declared lost (F6); and
  // those that an earlier process of this node left, until they are taken up or settled.
  [[nodiscard]] Task<Result<std::set<GrantId>>> exchanges_elsewhere();
  [[nodiscard]] Secret random_text() const;
  [[nodiscard]] Bytes hash(std::string_view use, std::string_view text) const;

  Parts parts_;
  std::vector<Ending> to_end_;  // by end_later(), which runs while `ending_`
  bool ending_ = false;
  TaskGroup exchanges_;
  TaskGroup sweeping_;
  CloudEnrolmentReader cloud_enrolment_;
  const FlowCookies cookies_;
  RefusedAnswers refused_;
  AttemptChanges changes_;
  bool stopping_ = false;
  bool stopped_ = false;  // nothing that is pending will change any more
  ConsentsUnderWay under_way_;
  DeviceCodes device_codes_;
};

}  // namespace latchkey::grants
