// Whether every server that this one must call is reached: DNS, TCP, TLS and HTTP told apart, through the proxy where one is
// set.
#pragma once

#include "doctor/check.h"
#include "doctor/premises.h"
#include "net/http_client.h"

namespace latchkey::doctor {

class OutgoingCheck final : public Check {
 public:
  OutgoingCheck(const Premises& premises, net::HttpTransport& transport, const SteadyClock& steady)
      : premises_(premises), transport_(transport), steady_(steady) {}
  [[nodiscard]] std::string_view name() const override { return "outgoing"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const Premises& premises_;
  net::HttpTransport& transport_;
  const SteadyClock& steady_;
};

}  // namespace latchkey::doctor
