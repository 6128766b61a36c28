// The SMTP listeners as devices meet them: reached at the public address' host, with a certificate for that name; and
// whether there is a device for every address that may come without TLS.
#pragma once

#include "doctor/certificate_check.h"
#include "store/store.h"

namespace latchkey::doctor {

class MailDoorCheck final : public Check {
 public:
  MailDoorCheck(const Premises& premises, TlsLooker looker, store::Store& store, Worker& worker, const WallClock& wall)
      : premises_(premises), looker_(std::move(looker)), store_(store), worker_(worker), wall_(wall) {}
  [[nodiscard]] std::string_view name() const override { return "mail_doors"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const Premises& premises_;
  TlsLooker looker_;
  store::Store& store_;
  Worker& worker_;
  const WallClock& wall_;
};

}  // namespace latchkey::doctor
