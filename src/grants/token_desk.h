// The hand-out: whoever shows username and PIN gets the access token, by decryption and not by an `if`.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"

namespace latchkey::grants {

// A person or program that the PIN gate has just admitted, or (for hand_out_hot() alone) recognised; `pin` is prepared
// (people/names.h).
struct Caller {
  UserId user;
  std::int64_t auth_epoch = 0;
  Secret pin;
};

struct TokenWish {
  std::string type;                // empty: the only one held
  Seconds min_valid{0};            // capped at half the token's lifetime (RULES F9)
};

// What is said of a token beside the token; the same for every hand-out of a generation, so it is shared.
struct HandoutText {
  std::string token_type = "Bearer";
  std::string scope;
  std::string type;
  std::string account_id;
  std::string account_name;
  std::string extras_json;  // an object
};

struct Handout {
  Secret access_token;
  std::optional<Seconds> expires_in;  // seconds left; nullopt: the provider does not say
  std::shared_ptr<const HandoutText> text;  // never null
};

// Thread-safe; hand_out_hot() runs on the caller's thread, hand_out() hops to the engine where it must.
class TokenDesk {
 public:
  virtual ~TokenDesk() = default;

  // From memory alone: no I/O, microseconds. The caller's PIN need not have been proven: the token lies under it and opens
  // for no other. nullopt: ask hand_out(), after the PIN gate has admitted the caller.
  [[nodiscard]] virtual std::optional<Handout> hand_out_hot(const Caller& caller, const TokenWish& wish) = 0;

  // Errors (api/openapi.json): invalid/`type_required` (text lists the held types), not_found/`no_such_grant`,
  // needs_person/`authorization_needed`, unavailable/`provider_unreachable` (retry_after),
  // misconfigured/`app_misconfigured` (retry_after), refused/`invalid_credentials` when the PIN no longer opens.
  [[nodiscard]] virtual Task<Result<Handout>> hand_out(Caller caller, TokenWish wish) = 0;
};

}  // namespace latchkey::grants
