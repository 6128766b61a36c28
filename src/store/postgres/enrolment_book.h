#pragma once

#include "store/enrolment_book.h"
#include "store/postgres/sure_line.h"

namespace latchkey::store::postgres {

class PostgresEnrolmentBook final : public EnrolmentBook {
 public:
  PostgresEnrolmentBook(std::shared_ptr<const Place> place, std::unique_ptr<Connection> first, Log& log);

  Result<std::vector<EnrolledOffice>> all() override;
  Result<void> issue(const EnrolledOffice& office) override;
  Result<EnrolledOffice> redeem(const OfficeId& id, ByteView code_digest, const std::string& keys,
                                const std::vector<std::string>& return_origins, WallTime now) override;
  Result<void> put_verified_name(const OfficeId& id, const std::string& name, WallTime now) override;
  Result<bool> take_back_verified_name(const OfficeId& id) override;
  Result<void> revoke(const OfficeId& id, WallTime now) override;

 private:
  SureLine line_;
};

}  // namespace latchkey::store::postgres
