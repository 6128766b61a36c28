// How a queued delivery comes to a token while nobody is present (RULES K2, K4): the PIN shown at the door opens the grant
// once, and its private half is sealed to a pair of the delivery's own. It opens that one grant, and dies with the delivery.
#pragma once

#include "grants/keeper.h"
#include "grants/renewal_pace.h"
#include "grants/token_desk.h"
#include "vault/hot_cache.h"

namespace latchkey::grants {

// What a PIN, or a connector's standing delegation, has opened for one delivery or one look; in memory only.
struct Delegation {
  UserId user;                             // the grant's
  std::optional<std::int64_t> auth_epoch;  // of the user who showed the PIN; nullopt: nobody did
  store::StandingDelegation standing{};    // what opened instead
  GrantId grant;
  std::string type;  // the grant's
  Bytes grant_public_key;
  Secret grant_private_key;
  Bytes public_key;    // of the delivery's own pair, for its record
  Secret private_key;  // the same pair's other half
};

// The same, sealed under the newest master key.
struct SealedDelegation {
  Bytes private_key_sealed;  // for the delivery's record
  // The wrap, to be committed with that record, and the grant's version counted up: who has read the grant's wraps before
  // (a PIN reset, a rotation of the master key) looks again, and so do we (conflict/`version`).
  store::Batch batch;
};

// A token, and which of the grant's it is.
struct DeliveryToken {
  Secret access_token;
  store::GenerationNumber generation = 0;
};

// Thread-safe: hops to the engine where it must.
class Delegations {
 public:
  struct Parts {
    store::Store& store;
    const Sealing& sealing;
    const vault::Vault& vault;
    vault::HotCache& hot;
    Keeper& keeper;
    Executor engine;
    const WallClock& wall;
  };
  explicit Delegations(Parts parts) : parts_(std::move(parts)) {}

  // `caller` has just been admitted. A grant that needs its owner is delegated all the same: the document waits for them
  // (D5). Errors: not_found/`no_such_grant`, refused/`invalid_credentials` when the PIN no longer opens,
  // corrupt/`record_altered`, those of the store.
  [[nodiscard]] Task<Result<Delegation>> delegate(Caller caller, std::string type);
  // At acceptance, right before the commit: what was opened may be long ago. `delegation` outlives the call. Errors:
  // refused/`invalid_credentials` when the user's PIN or state has changed meanwhile, needs_person/`delegation_ended` when the
  // standing one has ended or its owner is switched off, not_found/`no_such_grant` when the grant has been deleted or has got
  // another pair, corrupt/`record_altered`, those of the store.
  [[nodiscard]] Task<Result<SealedDelegation>> seal(const Delegation& delegation, DeliveryId delivery);
  // The same, with what the grant's owner holds of its type as it was read just now.
  [[nodiscard]] Result<SealedDelegation> seal_with(const Delegation& delegation, DeliveryId delivery, const std::optional<store::Holding>& holding) const;

  // Errors: needs_person/`authorization_needed`, `delegation_ended`; not_found/`no_such_grant`;
  // unavailable/`provider_unreachable`, misconfigured/`app_misconfigured` (both with retry_after); corrupt/`record_altered`;
  // those of the store.
  [[nodiscard]] Task<Result<DeliveryToken>> token(store::Delivery delivery, Seconds min_valid);
  // The service has refused the one of that generation: a newer one, made now if there is none. Errors as of token().
  [[nodiscard]] Task<Result<DeliveryToken>> token_after(store::Delivery delivery, store::GenerationNumber refused);

  // By what is open in memory, which outlives the call: for a look at the service, before or without any delivery. Errors as of
  // token(); not_found/`no_such_grant` also when the grant has got another pair.
  [[nodiscard]] Task<Result<DeliveryToken>> token(const Delegation& delegation, Seconds min_valid);

  // As long as it lives a document is on its way by that grant (F9).
  [[nodiscard]] TokenUses::Use use_of(GrantId grant) { return parts_.keeper.uses().begin(grant); }

 private:
  [[nodiscard]] static Result<void> still_good(const Delegation& delegation, const store::Holding* holding);
  [[nodiscard]] Task<Result<DeliveryToken>> opened(store::Delivery delivery, store::GrantView view);

  Parts parts_;
  RenewalPace renewals_;
};

// Ends what a delivery may open. The store refuses it with gone/`wrap` where that has ended already.
[[nodiscard]] store::Mutation end_of_delegation(const store::Delivery& delivery);
// Adds it to the batch that ends a delivery, unless it has ended already: reads all wraps of the grant. Errors: those of the
// store.
[[nodiscard]] Task<Result<void>> add_end_of_delegation(store::Store& store, store::Batch& batch, store::Delivery delivery);

}  // namespace latchkey::grants
