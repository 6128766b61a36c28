// Giving tokens back to the provider when nobody here wants them any more: a deleted, switched-off or revoked grant, an undone
// consent, a reply that came too late (RULES F7, RFC 7009).
//
// The way back is a row of the store (store::Revocation): made in the commit that takes the tokens from their grant, worked off
// by a task that backs off and, after RevocationTuning::give_up_after, gives up and says so. Time in which it only waits for
// another grant of the same consent does not count.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/broadcast.h"
#include "base/entropy.h"
#include "base/task_group.h"
#include "grants/alerts.h"
#include "grants/counters.h"
#include "grants/provider_client.h"
#include "grants/revocation_places.h"

namespace latchkey::grants {

// What is given back. `access` may be empty.
struct UnownedTokens {
  RefreshMaterial refresh;
  Secret access;
};

// The registry's knobs.
struct RevocationTuning {
  Seconds disabled_after{10};                            // between switching off and revoking
  Seconds give_up_after = std::chrono::days(14);
};

// Lives on the engine's executor.
class GivingBack {
 public:
  struct Parts {
    store::Store& store;
    ProviderClients& clients;
    net::HttpTransport& transport;
    const Sealing& sealing;
    Alerts& alerts;
    Counters& counters;
    const WallClock& wall;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    Executor executor;
    std::function<RevocationTuning()> tuning;
    std::function<void(UserId, GrantId)> grant_changed;  // after a commit that changed a grant
  };
  explicit GivingBack(Parts parts)
      : parts_(std::move(parts)), under_way_(parts_.executor, parts_.log), loop_(parts_.executor, parts_.log), wake_(parts_.executor) {}

  // For the batch that takes the tokens from their grant. nullopt: the provider cannot be asked. Call nudge() after the commit.
  [[nodiscard]] std::optional<store::PutRevocation> entry(const store::Grant& whose, const UnownedTokens& tokens) const;
  // A grant that is switched off, or whose user is, keeps its tokens for a while from now on, whatever was queued before; whoever switches it
  // on again until then has lost nothing. Adds what sees to that (store::entry_of_switched_off()). Call nudge() after the commit.
  void add_switched_off(store::Batch& batch, const store::Grant& grant) const;
  // Makes the grant `revoked`: adds to the batch what takes its tokens from it, whoever has them at the moment.
  void add_revoked(store::Batch& batch, const store::GrantView& view, std::string why, const std::string& actor, std::string source) const;

  // Tokens nobody here has ever owned. In the background; nothing is lost once the store answers again.
  void later(store::Grant whose, UnownedTokens tokens);
  // The same for an entry() that is kept elsewhere until this has succeeded; tried once. Errors as the store's.
  [[nodiscard]] Task<Result<void>> queue(store::PutRevocation entry);

  // Whether a consent that waits for a person's answer rests on this account's consent to the app. Before start().
  using Waiting = std::function<Task<bool>(std::string app, std::string account_id)>;
  void set_waiting(Waiting waiting) { waiting_ = std::move(waiting); }

  void start();
  void nudge() {
    nudged_ = true;
    wake_.notify_all();
  }
  // Ends the work, and waits for what is under way.
  [[nodiscard]] Task<void> stop();

 private:
  struct Record;
  // What an attempt came to. `again`: within that time at most, the longer the more often it failed; nullopt: the entry goes.
  struct Verdict {
    std::optional<Seconds> again;
    std::string why;
    bool revoked = false;
    bool rests = false;        // it only waits for another grant: without end, or
    bool for_a_while = false;  // until it is given up
    bool unreachable = false;  // said of the whole app
  };
  // What a look at the queue came to.
  enum class Look { again_at_once, places_full, nothing_due, store_rests };
  [[nodiscard]] Task<void> run();
  [[nodiscard]] Task<Look> look();
  // Those that find no place now, later: in one commit.
  [[nodiscard]] Task<bool> postpone(std::vector<store::Revocation> rows);
  // A place at an app: one after another of those that are due there.
  [[nodiscard]] Task<void> work(std::string lane, store::Revocation first);
  [[nodiscard]] std::optional<store::Revocation> next_of(const std::string& lane);
  [[nodiscard]] Task<void> keep(store::PutRevocation entry);
  [[nodiscard]] Task<void> attempt(store::Revocation revocation);
  [[nodiscard]] Task<void> settle(store::Revocation revocation, std::shared_ptr<Record> record, Verdict verdict);
  [[nodiscard]] std::shared_ptr<Record> open(const store::Revocation& revocation) const;  // nullptr: it was altered
  [[nodiscard]] WallTime deadline_of(const store::Revocation& revocation, const Record& record) const;
  [[nodiscard]] store::AppendAudit settled(const store::Revocation& revocation, std::string action, std::string why) const;
  void tell_not_given_back(const store::Revocation& revocation, const std::string& why);
  [[nodiscard]] Task<Verdict> try_to_revoke(std::shared_ptr<Record> record, GrantId whose);
  // To the revocation endpoint: straight, or by the client's way.
  [[nodiscard]] Task<net::HttpOutcome> send(std::shared_ptr<const ProviderClient> client, GrantId whose, net::HttpCall call);
  [[nodiscard]] static Verdict unanswered(const net::HttpOutcome& outcome);
  [[nodiscard]] Task<void> take_from_grant(store::Revocation revocation);
  // `with` is committed with it, or nothing is.
  [[nodiscard]] Task<void> put_off(store::Revocation revocation, Seconds most, std::string why, store::Batch with = {});
  [[nodiscard]] Task<void> drop(store::Revocation revocation, std::string action, std::string why, store::Batch with = {});
  [[nodiscard]] Task<void> forget(store::Revocation revocation, store::Batch with);
  // The store has not taken something, or said nothing: whoever looks again at once asks it without end.
  [[nodiscard]] Task<void> rest_after(Error why);
  // Whether a grant that lives (the one they were of, authorised anew, among them), or a consent that waits for approval, rests on
  // the same consent (same app, same account, any type); what cannot be read does. Where nobody knows the account of either, it may.
  enum class Rests { no, perhaps, yes };
  [[nodiscard]] Task<Rests> rested_on(std::string app, std::string account_id);
  // nullopt: nobody rests on it.
  [[nodiscard]] static std::optional<Verdict> verdict_of(Rests rests);
  // Whether the grant lives, as far as anybody knows on the account of which these tokens are.
  [[nodiscard]] Task<bool> lives_on(GrantId grant, std::string account_id);
  // For providers that revoke by access token: a last one; nullopt: they cannot be reached.
  [[nodiscard]] Task<std::optional<Secret>> last_access_token(std::shared_ptr<const ProviderClient> client, std::shared_ptr<Record> record);

  Parts parts_;
  TaskGroup under_way_;
  TaskGroup loop_;
  base::Broadcast wake_;
  RevocationPlaces places_;
  std::vector<store::Revocation> due_;    // read, and without a place
  std::set<RevocationId> in_hand_;        // being tried, or
  std::vector<RevocationId> ended_;       // tried since the last look
  bool nudged_ = false;
  bool stopping_ = false;
  Waiting waiting_;
};

}  // namespace latchkey::grants
