// Whether WebDAV's methods arrive here by the public address: proxies let the common ones through and refuse the rest.
#pragma once

#include "doctor/check.h"
#include "doctor/premises.h"
#include "net/http_client.h"

namespace latchkey::doctor {

class DavDoorCheck final : public Check {
 public:
  // `transport` as for DoorCheck.
  DavDoorCheck(const Premises& premises, net::HttpTransport& transport) : premises_(premises), transport_(transport) {}
  [[nodiscard]] std::string_view name() const override { return "webdav"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const Premises& premises_;
  net::HttpTransport& transport_;
};

}  // namespace latchkey::doctor
