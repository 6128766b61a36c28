#include "store/enrolment_book.h"

#include "base/secret.h"

namespace latchkey::store {

Result<void> may_redeem(const std::optional<EnrolledOffice>& office, ByteView code_digest, const std::string& keys,
                        const std::vector<std::string>& return_origins, WallTime now) {
  const bool fits = office && !office->revoked_at && base::equal_in_constant_time(office->code_digest, code_digest) &&
                    (!office->enrolled_at || (office->keys == keys && office->return_origins == return_origins));
  if (!fits) return code_unknown();
  if (now >= office->code_ends_at) {
    return fail(ErrorKind::refused, "code_expired",
                "This enrolment code has expired. Ask the Cloud Service's operator for a new one.",
                {.field = "enrolment_code"});
  }
  return {};
}

std::unexpected<Error> code_unknown() {
  return fail(ErrorKind::refused, "code_unknown",
              "This enrolment code is not known here, or has been used. Ask the Cloud Service's operator for a new one.",
              {.field = "enrolment_code"});
}

std::unexpected<Error> office_exists() {
  return fail(ErrorKind::conflict, "exists", "There is an office of that id already.");
}

std::unexpected<Error> no_such_office() {
  return fail(ErrorKind::not_found, "no_such_office", "There is no office of that id.", {.field = "OFFICE"});
}

}  // namespace latchkey::store
