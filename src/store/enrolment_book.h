// The offices that a Cloud Service serves, as it keeps them: a SQLite file of its own, far smaller than the office server's
// store and without secrets in it: of a code a digest, of an office its public keys.
//
// Several processes may work on one file: the service, and the verbs by which its operator issues and revokes. Blocking;
// one object is used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"

namespace latchkey::store {

using OfficeId = base::Id<struct OfficeTag>;

// Issued, then enrolled (once), then perhaps revoked: never deleted, so that the operator sees what was.
struct EnrolledOffice {
  OfficeId id;
  std::string label;               // what people are shown; the operator's word
  std::vector<std::string> types;  // that it may authorise; empty: all that the service has
  std::int64_t flows_per_minute = 0;
  Bytes code_digest;  // 32 octets
  WallTime issued_at{};
  WallTime code_ends_at{};
  std::optional<WallTime> enrolled_at;
  std::optional<WallTime> revoked_at;
  std::string keys;                         // cloud::PartyPublic as text; empty until enrolled
  std::vector<std::string> return_origins;  // likewise
  std::string verified_name;                // a DNS name that was found to be its own; empty: none
  std::optional<WallTime> verified_at;
};

// Errors of every method besides its own: unavailable/`store_unavailable`, corrupt/`store_corrupt`.
class EnrolmentBook {
 public:
  // An absent file is made, with mode 0600. Errors: corrupt/`future_schema`, corrupt/`not_a_book`.
  [[nodiscard]] static Result<std::unique_ptr<EnrolmentBook>> open(const std::string& path);
  EnrolmentBook(const EnrolmentBook&) = delete;
  EnrolmentBook& operator=(const EnrolmentBook&) = delete;
  ~EnrolmentBook();

  // In the order of issue.
  [[nodiscard]] Result<std::vector<EnrolledOffice>> all();
  // Errors: conflict/`exists`.
  [[nodiscard]] Result<void> issue(const EnrolledOffice& office);
  // One use: of two at once one succeeds. The same keys and origins once more are fine, as long as the code lives: the first
  // answer may have been lost. So an enrolment's origins, and with them the names it may have, never change. Errors:
  // refused/`code_unknown` (never issued, used by others or for other origins, revoked), refused/`code_expired`.
  [[nodiscard]] Result<EnrolledOffice> redeem(const OfficeId& id, ByteView code_digest, const std::string& keys,
                                              const std::vector<std::string>& return_origins, WallTime now);
  // In the place of the one before. Errors: not_found/`no_such_office`.
  [[nodiscard]] Result<void> put_verified_name(const OfficeId& id, const std::string& name, WallTime now);
  // False: there was none.
  [[nodiscard]] Result<bool> take_back_verified_name(const OfficeId& id);
  // Errors: not_found/`no_such_office`. Once more is fine.
  [[nodiscard]] Result<void> revoke(const OfficeId& id, WallTime now);

 private:
  struct State;
  explicit EnrolmentBook(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::store
