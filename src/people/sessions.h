// Console sessions: a cookie of the user's id and 256 random bits, stored as a keyed hash over cookie and epoch (RULES T8),
// dead with the user's epoch.
//
// Cookie, base64url: user's id (16 octets) | random (32). Whose session it is stands in the cookie and is covered by the
// hash, so a writer of the store who has a session of their own cannot turn its row into somebody else's.
// Invariants: only a password signs in, never a PIN (A6); a session of an older auth_epoch, of a disabled or deleted user,
// past its lifetime or idle too long is refused; wrong passwords are throttled like wrong PINs (docs/design/people.md).
// Concurrency: thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "people/guard.h"
#include "people/pin_gate.h"

namespace latchkey::people {

struct SignIn {
  std::string username;
  Secret password;
  std::string source;
  Transport transport = Transport::clear;
  SteadyTime arrived{};
};

// Who is signed in.
struct SessionUser {
  UserId id;
  std::string username;
  std::string name;
  store::Role role = store::Role::regular;
  WallTime created_at;
  WallTime expires_at;  // moves with use, up to the absolute lifetime
};

// Proof that an administrator has just shown the password again (RULES K7). Only Sessions makes one, and the control
// socket, which serves root and the service's own user alone (G6).
class Confirmation {
 public:
  Confirmation() = default;  // proves nothing: refused where proof is asked for
  [[nodiscard]] static Confirmation by_control_socket() { return Confirmation(true); }
  [[nodiscard]] bool given() const { return given_; }

 private:
  friend class Sessions;
  explicit Confirmation(bool given) : given_(given) {}
  bool given_ = false;
};

class Sessions {
 public:
  struct Parts {
    Guard::Parts guard;
    const UserSeal& seal;
    Entropy& entropy;
    vault::PinCost cost{};  // the floor of password verifiers
  };
  explicit Sessions(Parts parts);
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  struct Opened {
    std::string token;  // base64url, for the cookie
    SessionUser user;
  };
  // Errors: refused/`invalid_credentials`, unavailable/`too_many_attempts`, refused/`insecure_transport` (with the way to
  // TLS), those of the store.
  [[nodiscard]] Task<Result<Opened>> sign_in(SignIn attempt);
  // Without a password, for the end of set-up. `source` as in SignIn: it becomes known.
  [[nodiscard]] Task<Result<Opened>> open_for(store::User user, std::string source);

  // Errors: refused/`not_signed_in`, those of the store.
  [[nodiscard]] Task<Result<SessionUser>> check(std::string token);
  [[nodiscard]] Task<Result<void>> sign_out(std::string token);

  // Changing one's own PIN or password ends all of one's sessions (K8); the one it was done in goes on: keep() before the
  // change, go_on() after it with the changed user. The cookie and its CSRF token stay; lifetimes are not prolonged.
  struct Kept {
    std::string token;
    store::Session session;
  };
  // nullopt: the token is no live session of that user.
  [[nodiscard]] Task<Result<std::optional<Kept>>> keep(std::string token, UserId user);
  [[nodiscard]] Task<Result<void>> go_on(Kept kept, store::User changed);

  // The signed-in person's own password once more. Errors: refused/`wrong_password`, unavailable/`too_many_attempts`.
  [[nodiscard]] Task<Result<Confirmation>> confirm(UserId user, Secret password, std::string source, SteadyTime arrived);

  // A token for who has not signed in, so that sign-in and set-up have a CSRF token; nothing is stored.
  [[nodiscard]] std::string anonymous_token() const;
  // Derived from the cookie's token; a foreign page knows neither.
  [[nodiscard]] std::string csrf_token(std::string_view token) const;
  [[nodiscard]] bool csrf_matches(std::string_view token, std::string_view shown) const;

 private:
  [[nodiscard]] Task<Result<UserCardPtr>> check_password(std::string name_key, Secret password, std::string source,
                                                         SteadyTime arrived);
  [[nodiscard]] Bytes hash_of(std::string_view token, std::int64_t auth_epoch) const;
  [[nodiscard]] WallTime expiry(WallTime created_at, WallTime now) const;

  Guard guard_;
  const UserSeal& seal_;
  Entropy& entropy_;
  vault::PinCost cost_;
};

}  // namespace latchkey::people
