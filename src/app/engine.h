// The engine's parts, assembled: from the vault and the store to the token desk. One of the blocks of the wiring.
//
// Concurrency: built before the loop runs; open() and close() on main().
#pragma once

#include <memory>

#include "base/entropy.h"
#include "catalog/catalog.h"
#include "grants/app_registry.h"
#include "grants/authorization_desk.h"
#include "grants/clock_mark.h"
#include "grants/cloud_membership.h"
#include "grants/cloud_ways.h"
#include "grants/common_clock.h"
#include "grants/delegation.h"
#include "grants/enrolment_of_people.h"
#include "grants/fail_over.h"
#include "grants/forecast.h"
#include "grants/giving_back.h"
#include "grants/grant_care.h"
#include "grants/hand_out.h"
#include "grants/health_watch.h"
#include "grants/key_rotation.h"
#include "grants/leaving.h"
#include "grants/lookout.h"
#include "grants/nodes.h"
#include "grants/notices.h"
#include "grants/outcome_tallies.h"
#include "grants/pin_reset.h"
#include "grants/prudent_clock.h"
#include "grants/restored_grants.h"
#include "grants/switch_off.h"
#include "net/event_loop.h"
#include "people/handout_counts.h"
#include "people/pin_gate.h"
#include "people/user_cards.h"
#include "store/registry.h"
#include "store/reply_journal.h"
#include "store/store.h"
#include "vault/hot_cache.h"
#include "vault/vault.h"

namespace latchkey::app {

// What the engine stands on; all of it outlives the engine.
struct EngineGround {
  net::EventLoop& loop;
  grants::CommonClock& wall;
  SteadyClock& steady;
  Entropy& entropy;
  Log& log;
  vault::Vault& vault;
  vault::KeyFiles key_files;
  Bytes journals_key;  // as hold_key_of_journal says
  vault::HotCache& hot;
  store::Store& store;
  store::ReplyJournal& journal;
  const store::Registry& registry;
  std::shared_ptr<const catalog::Catalog> catalog;
  net::HttpTransport& transport;
  net::MailClient& mail;
  const people::UserSeal& user_seal;
  people::UserCards& user_cards;
  people::PinHasher& hasher;
  people::PinGate& gate;
  people::HandoutCounts& handouts;
  NodeId node;
  grants::PublicAddress address;
  WallTime clock_mark{};  // a moment known to have been
  std::string version;  // of the program
  const store::Lineage* lineage = nullptr;  // of a shared database
  std::function<Result<void>(const std::string&)> remember_lineage;  // beyond this process
  std::optional<Milliseconds> memory;  // how long what was read of the store may be believed; nullopt: no other node changes it
};

// A resource.
class Engine {
 public:
  explicit Engine(EngineGround ground);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // Merges the journal, then keeps grants fresh.
  [[nodiscard]] Task<Result<void>> open();
  // Every exchange in flight is committed when it returns.
  [[nodiscard]] Task<void> close();
  // Tells a database that has taken over what this node knows, until cancelled.
  [[nodiscard]] Task<void> keep_telling();
  // Says to the other nodes, after everything else, that this one has stopped.
  [[nodiscard]] Task<void> leave();

  [[nodiscard]] grants::TokenDesk& token_desk() { return desk_; }
  [[nodiscard]] grants::Delegations& delegations() { return delegations_; }
  [[nodiscard]] grants::ProviderClients& clients() { return clients_; }
  [[nodiscard]] const grants::Sealing& sealing() const { return sealing_; }
  [[nodiscard]] grants::Authorizer& authorizer() { return authorizer_; }
  [[nodiscard]] grants::Apps& apps() { return apps_; }
  [[nodiscard]] grants::CloudDesk& cloud() { return cloud_membership_; }
  [[nodiscard]] const grants::CloudCounters& cloud_counters() const { return cloud_line_.counters(); }
  [[nodiscard]] grants::GrantDesk& grant_desk() { return care_; }
  [[nodiscard]] grants::Nodes& nodes() { return nodes_; }
  [[nodiscard]] grants::Alerts& alerts() { return alerts_; }
  [[nodiscard]] grants::SecretExpiry& secret_expiry() { return secret_expiry_; }
  [[nodiscard]] grants::Forecast& forecast() { return forecast_; }
  [[nodiscard]] grants::RestoredGrants& restored_grants() { return restored_grants_; }
  [[nodiscard]] grants::ClockMark& clock_mark() { return clock_mark_; }
  [[nodiscard]] grants::Keys& keys() { return keys_; }
  [[nodiscard]] grants::HealthDesk& health() { return health_; }
  [[nodiscard]] grants::Lookout& lookout() { return lookout_; }
  [[nodiscard]] grants::Notices& notices() { return notices_; }
  [[nodiscard]] grants::OutcomeTallies& tallies() { return tallies_; }
  [[nodiscard]] grants::Counters& counters() { return counters_; }
  [[nodiscard]] people::PinResetListener& pin_reset_listener() { return pin_reset_; }
  [[nodiscard]] people::LeavingListener& leaving_listener() { return leaving_; }
  [[nodiscard]] people::SwitchOffListener& switch_off_listener() { return switch_off_; }

 private:
  class Ledger final : public grants::HandoutLedger {
   public:
    explicit Ledger(people::HandoutCounts& counts) : counts_(counts) {}
    void handed_out(UserId user, GrantId grant) override { counts_.count(user, grant); }

   private:
    people::HandoutCounts& counts_;
  };

  // Of the members declared before whatever they are for.
  [[nodiscard]] grants::Keeper::Parts keeper_parts();
  [[nodiscard]] std::function<bool()> is_counted();
  [[nodiscard]] std::function<bool()> may_send();
  [[nodiscard]] grants::AuthorizationDesk::Parts desk_parts();
  [[nodiscard]] grants::KeyRotation::Parts key_parts();
  [[nodiscard]] grants::GivingBack::Parts giving_back_parts();

  EngineGround ground_;
  grants::PrudentClock clock_;
  grants::Alerts alerts_;
  grants::ClockMark clock_mark_;
  grants::Counters counters_;
  grants::Sealing sealing_;
  grants::ProviderClients clients_;
  grants::CloudLine cloud_line_;
  grants::CloudWays cloud_ways_;
  grants::Exchange exchange_;
  grants::Cards cards_;
  grants::GivingBack giving_back_;
  grants::Keeper keeper_;
  Ledger ledger_;
  grants::TokenDeskOfVault desk_;
  grants::Delegations delegations_;
  grants::EnrolmentOfPeople enrolment_;
  grants::AuthorizationDesk authorizer_;
  grants::AppUses app_uses_{ground_.store};
  grants::CloudMembership cloud_membership_;
  grants::SecretExpiry secret_expiry_;
  grants::Forecast forecast_;
  grants::RestoredGrants restored_grants_;
  grants::AppRegistry apps_;
  grants::GrantCare care_;
  grants::PinReset pin_reset_;
  grants::Leaving leaving_;
  grants::KeyRotation keys_;
  grants::Nodes nodes_;
  std::optional<grants::FailOverWatch> fail_over_;  // of a shared database
  grants::SwitchOff switch_off_;
  grants::OutcomeTallies tallies_;
  grants::Notices notices_;
  grants::HealthWatch health_;
  grants::HealthGlance glance_;
  grants::Lookout lookout_;
};

}  // namespace latchkey::app
