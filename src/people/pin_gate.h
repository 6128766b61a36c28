// The gate: whoever shows a username and the PIN that opens its key is admitted; everybody else is refused in the same
// words at the same time (RULES T1 to T7; the reasons stand in docs/design/people.md).
//
// Invariants: nobody is admitted but by decryption of the user's private key; every wrong PIN that was evaluated is
// durable before its refusal leaves; no refusal tells whether the user exists; unknown users run no Argon2id.
// Concurrency: thread-safe; admit() runs on the caller's executor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "people/guard.h"
#include "vault/hot_cache.h"

namespace latchkey::people {

enum class Transport { tls, loopback, clear };

// Whether the user's allowed sources bind: at the doors they do. Who is already signed in to the console (or is the command
// line on the server) and shows a PIN to change it does not use the grants from there.
enum class Sources { bind, any };

struct Attempt {
  std::string username;  // as sent
  Secret pin;            // as sent
  std::string source;    // who is counted: "203.0.113.7" or "2001:db8::/64" (RULES T3)
  std::string address{}; // the whole address, for allowed sources narrower than a /64; empty: `source`
  Transport transport = Transport::clear;
  Sources sources = Sources::bind;
  std::uint32_t uses = 0;  // store::Use bits wanted, all of them; 0: none, the PIN is only checked
  SteadyTime arrived{};    // when the request had come in
};

struct Admitted {
  UserId user;
  std::int64_t auth_epoch = 0;
  std::string username;
  Secret pin;  // prepared: opens the hot cache
};

// Whose name it is, and that only the PIN is left to be proven: by opening something that lies under it.
struct Recognised {
  UserId user;
  std::int64_t auth_epoch = 0;
};

class PinGate {
 public:
  struct Parts {
    Guard::Parts guard;
    vault::HotCache& hot;
    const UserSeal& seal;
    vault::PinCost cost{};  // the floor: a right PIN below it is wrapped anew (RULES K1)
  };
  explicit PinGate(Parts parts);
  ~PinGate();
  PinGate(const PinGate&) = delete;
  PinGate& operator=(const PinGate&) = delete;

  // From memory alone: no I/O, microseconds. Says that everything but the PIN speaks for the attempt, and nothing of the
  // PIN: whoever asks must open a secret with it, and where none opens, or at nullopt, ask admit(), which counts and charges.
  [[nodiscard]] std::optional<Recognised> recognise(const Attempt& attempt) const;

  // Afterwards the private key is in the hot cache under `Admitted::pin`. Errors: refused/`invalid_credentials`,
  // unavailable/`too_many_attempts` (retry_after), refused/`use_not_allowed` (the PIN was right), refused/
  // `insecure_transport`, those of the store.
  [[nodiscard]] Task<Result<Admitted>> admit(Attempt attempt);

 private:
  struct Slow {
    enum class Verdict { right, wrong, no_room } verdict;
    SteadyTime ready{};  // wrong: no refusal leaves before
  };
  [[nodiscard]] Task<Result<Admitted>> refuse_clear(Attempt attempt);
  [[nodiscard]] Task<Result<Admitted>> evaluate(Guard::Try attempt, Secret pin, std::uint32_t uses);
  [[nodiscard]] Task<Result<Slow>> check_slowly(Guard::Try attempt, std::shared_ptr<const Secret> pin);
  [[nodiscard]] Task<Result<Admitted>> let_in(Guard::Try attempt, Secret pin, std::uint32_t uses);
  [[nodiscard]] Task<void> raise_cost(UserCardPtr card, std::shared_ptr<const Secret> key, std::shared_ptr<const Secret> pin);

  Guard guard_;
  vault::HotCache& hot_;
  const UserSeal& seal_;
  vault::PinCost cost_;
  struct ClearSeen;
  std::unique_ptr<ClearSeen> clear_seen_;
};

}  // namespace latchkey::people
