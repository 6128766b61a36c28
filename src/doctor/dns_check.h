// Whether the public address's name resolves here, and to what.
#pragma once

#include <functional>

#include "base/pool.h"
#include "doctor/check.h"
#include "doctor/premises.h"
#include "net/ip_address.h"

namespace latchkey::doctor {

// Blocks; called on a worker's thread.
using Resolver = std::function<std::vector<net::IpAddress>(const std::string& host)>;

class DnsCheck final : public Check {
 public:
  DnsCheck(const Premises& premises, Resolver resolver, Worker& worker)
      : premises_(premises), resolver_(std::move(resolver)), worker_(worker) {}
  [[nodiscard]] std::string_view name() const override { return "dns"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const Premises& premises_;
  Resolver resolver_;
  Worker& worker_;
};

}  // namespace latchkey::doctor
