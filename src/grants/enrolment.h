// What authorising needs to know of people: names, PINs and the protection of a new user's keys. The room `people` knows
// the rules; this seam keeps authorising testable without Argon2id.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"
#include "store/records.h"
#include "vault/vault.h"

namespace latchkey::grants {

struct CleanName {
  std::string text;  // NFC
  std::string key;   // NFC and case-folded
};

class Enrolment {
 public:
  virtual ~Enrolment() = default;
  // Errors: invalid with field `username` or `group`.
  [[nodiscard]] virtual Result<CleanName> username(std::string_view typed) const = 0;
  [[nodiscard]] virtual Result<CleanName> group_name(std::string_view typed) const = 0;
  // Prepared by PRECIS OpaqueString and checked against minimum and blocklist. Errors: invalid, field `pin`.
  [[nodiscard]] virtual Result<Secret> new_pin(const Secret& typed, std::string_view username) const = 0;
  // A new pair, the private half wrapped under the PIN (Argon2id, on the PIN pool): fills the user's key fields. Errors:
  // unavailable/`too_busy`.
  [[nodiscard]] virtual Task<Result<store::User>> with_new_keys(store::User user, Secret pin) = 0;
  // Errors: refused/`wrong_pin`, unavailable/`too_many_attempts`, those of the store. Counted like any other wrong PIN; the
  // user's allowed sources do not matter, since nothing is used from there.
  [[nodiscard]] virtual Task<Result<void>> check_pin(store::User user, Secret pin, std::string source) = 0;
  // MAC over the fields that decide; after every change of them.
  virtual void vouch(store::User& user) const = 0;
  [[nodiscard]] virtual Result<void> check(const store::User& user) const = 0;
  // What other rooms remember of this user must be read again.
  virtual void changed(const store::User& user) = 0;
};

}  // namespace latchkey::grants
