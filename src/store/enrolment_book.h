// The offices that a Cloud Service serves, as it keeps them: far less than the office server's store and without secrets: of
// a code a digest, of an office its public keys.
//
// Several processes may work on one book: instances of the service, and the verbs by which its operator issues and revokes.
// Blocking; one object is used by one thread at a time.
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
  EnrolmentBook() = default;
  EnrolmentBook(const EnrolmentBook&) = delete;
  EnrolmentBook& operator=(const EnrolmentBook&) = delete;
  virtual ~EnrolmentBook() = default;

  // In the order of issue.
  [[nodiscard]] virtual Result<std::vector<EnrolledOffice>> all() = 0;
  // Errors: conflict/`exists`.
  [[nodiscard]] virtual Result<void> issue(const EnrolledOffice& office) = 0;
  // One use: of two at once one succeeds. The same keys and origins once more are fine, as long as the code lives: the first
  // answer may have been lost. So an enrolment's origins, and with them the names it may have, never change. Errors:
  // refused/`code_unknown` (never issued, used by others or for other origins, revoked), refused/`code_expired`.
  [[nodiscard]] virtual Result<EnrolledOffice> redeem(const OfficeId& id, ByteView code_digest, const std::string& keys,
                                                      const std::vector<std::string>& return_origins, WallTime now) = 0;
  // In the place of the one before. Errors: not_found/`no_such_office`.
  [[nodiscard]] virtual Result<void> put_verified_name(const OfficeId& id, const std::string& name, WallTime now) = 0;
  // False: there was none.
  [[nodiscard]] virtual Result<bool> take_back_verified_name(const OfficeId& id) = 0;
  // Errors: not_found/`no_such_office`. Once more is fine.
  [[nodiscard]] virtual Result<void> revoke(const OfficeId& id, WallTime now) = 0;
};

// In a SQLite file of its own; an absent one is made, with mode 0600. Errors: corrupt/`future_schema`, corrupt/`not_a_book`.
[[nodiscard]] Result<std::unique_ptr<EnrolmentBook>> open_sqlite_enrolment_book(const std::string& path);

// What every implementation says. Whether such a code may be redeemed so, by what is kept of its office (nullopt: nothing).
[[nodiscard]] Result<void> may_redeem(const std::optional<EnrolledOffice>& office, ByteView code_digest,
                                      const std::string& keys, const std::vector<std::string>& return_origins, WallTime now);
[[nodiscard]] std::unexpected<Error> code_unknown();
[[nodiscard]] std::unexpected<Error> office_exists();
[[nodiscard]] std::unexpected<Error> no_such_office();

}  // namespace latchkey::store
