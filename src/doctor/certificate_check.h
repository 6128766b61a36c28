// What is served at the public address: by this server or by a proxy before it. Chain, names and expiry.
#pragma once

#include <functional>

#include "base/pool.h"
#include "doctor/check.h"
#include "doctor/premises.h"
#include "net/tls_look.h"

namespace latchkey::doctor {

// Blocks; called on a worker's thread.
using TlsLooker = std::function<net::TlsLook(const net::TlsLookRequest& request)>;

class CertificateCheck final : public Check {
 public:
  CertificateCheck(const Premises& premises, TlsLooker looker, Worker& worker, const WallClock& wall)
      : premises_(premises), looker_(std::move(looker)), worker_(worker), wall_(wall) {}
  [[nodiscard]] std::string_view name() const override { return "certificate"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const Premises& premises_;
  TlsLooker looker_;
  Worker& worker_;
  const WallClock& wall_;
};

// What such a look means for whoever connects to `host`; `subject` names the place.
[[nodiscard]] Finding judge_tls(const net::TlsLook& look, const std::string& host, const std::string& subject, WallTime now);

// How soon a certificate's end matters: what is renewed by itself is renewed when a third of its life is left.
[[nodiscard]] Severity severity_of_expiry(const net::Certificate& certificate, WallTime now);

}  // namespace latchkey::doctor
