// What PINs and console passwords have in common when somebody guesses: budgets, delays, fixed refusal times (RULES T4, T5,
// T6). PinGate and Sessions each own one, with separate counters.
//
// Concurrency: thread-safe; tasks run on the caller's executor and hold no lock across a co_await.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "people/audit.h"
#include "people/pin_hasher.h"
#include "people/throttle.h"
#include "people/user_cards.h"
#include "store/registry.h"
#include "store/store.h"
#include "vault/vault.h"

namespace latchkey::people {

// Who hears of what an administrator should know. Calls come on the thread of the attempt and return at once.
class GateWatcher {
 public:
  virtual ~GateWatcher() = default;
  // A budget is used up: `bucket` is a known source, or "*" for all unknown ones (an alert, P1).
  virtual void budget_reached(UserId user, std::string username, std::string bucket) = 0;
  // One source has used up its budget over all users.
  virtual void source_limited(std::string source) = 0;
  // A PIN came over a line that anybody may read: it should be changed (RULES T7).
  virtual void pin_seen_in_clear(std::string username, std::string source) = 0;
};

class Guard {
 public:
  struct Parts {
    store::Store& store;
    const store::Registry& registry;
    const vault::Vault& vault;
    UserCards& cards;
    PinHasher& hasher;
    const WallClock& wall;
    SteadyClock& steady;
    Log& log;
    GateWatcher& watcher;
  };
  // `kind` sets the counters of one secret apart: "" for PINs, "console " for passwords.
  Guard(Parts parts, std::string kind);

  // One try, as far as it does not depend on the secret's nature.
  struct Try {
    std::string name_key;
    std::string source;
    SteadyTime arrived;
    UserCardPtr card;         // nullptr: no such user
    std::string fingerprint;  // of name and secret
    std::string bucket;       // whose budget a wrong secret draws on
    bool known = false;       // the source has been right before
    bool limited = false;     // the source, or the name from this source, must wait
    Seconds retry_after{0};
    std::int64_t room = 0;    // what is left of the budget
  };
  // Reads the card and the counters. Errors: those of the store.
  [[nodiscard]] Task<Result<Try>> begin(std::string name_key, std::string source, SteadyTime arrived, ByteView secret);

  // Records a wrong secret of a user, durably.
  [[nodiscard]] Task<Result<void>> charge_wrong(Try attempt);
  // Records a try that was not evaluated (no such user, disabled, ...): it counts for the source only.
  [[nodiscard]] Task<Result<void>> charge_unevaluated(Try attempt);
  // After a right secret: the source becomes known, delays end. Rarely writes.
  [[nodiscard]] Task<Result<void>> note_right(Try attempt);

  [[nodiscard]] Lane lane_of(const Try& attempt) const { return attempt.known ? Lane::known_source : Lane::unknown_source; }

  // The end of every refusal: waits until the first multiple of `auth.refusal_delay` after arrival that lies after `ready`
  // and after now. The caller then returns the error.
  [[nodiscard]] Task<void> wait_for_refusal(SteadyTime arrived, SteadyTime ready) const;
  // Refuses without having evaluated: charged, as slow as an evaluation. The error is `invalid_credentials`, or
  // `too_many_attempts` when the queue has no place for tries like this.
  [[nodiscard]] Task<Error> refuse_unevaluated(Try attempt);
  // Refuses a limited try: too_many_attempts.
  [[nodiscard]] Task<Error> refuse_limited(Try attempt);
  // Refuses after an evaluation that said wrong: charged. `ready`: the check's.
  [[nodiscard]] Task<Error> refuse_wrong(Try attempt, SteadyTime ready);
  // A wrong secret found without a hash (hot cache, remembered): charged, as slow as an evaluation.
  [[nodiscard]] Task<Error> refuse_wrong_quickly(Try attempt);
  [[nodiscard]] Task<Error> refuse_for_want_of_room(Try attempt);

  [[nodiscard]] Throttle& throttle() { return throttle_; }
  [[nodiscard]] const Parts& parts() const { return parts_; }
  [[nodiscard]] std::string bucket_of(std::string_view source) const { return kind_ + std::string(source); }
  [[nodiscard]] bool is_known(const UserCard& card, std::string_view source) const;
  [[nodiscard]] Milliseconds known_source_lifetime() const;
  [[nodiscard]] std::int64_t limit_of(bool known) const;

  [[nodiscard]] static Error invalid_credentials();
  [[nodiscard]] static Error too_many_attempts(Seconds retry_after);

 private:
  [[nodiscard]] std::string pair_of(const Try& attempt) const { return attempt.source + '\n' + attempt.name_key; }
  [[nodiscard]] store::PinFailure failure(UserId user, std::string bucket, const std::string& fingerprint) const;

  Parts parts_;
  std::string kind_;
  Throttle throttle_;
};

}  // namespace latchkey::people
