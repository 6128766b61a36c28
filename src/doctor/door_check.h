// The doors: what they listen on, whether it is fit for PINs there (RULES T7), and whether the public address leads to this
// server.
#pragma once

#include "doctor/check.h"
#include "doctor/premises.h"
#include "net/http_client.h"

namespace latchkey::doctor {

class DoorCheck final : public Check {
 public:
  // `transport` may reach the public address, and nothing needs it to reach more.
  DoorCheck(const Premises& premises, net::HttpTransport& transport) : premises_(premises), transport_(transport) {}
  [[nodiscard]] std::string_view name() const override { return "doors"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const Premises& premises_;
  net::HttpTransport& transport_;
};

}  // namespace latchkey::doctor
