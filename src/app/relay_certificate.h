// The certificate of `latchkey relay`, kept as an office server's is (certificate_keeper.h): files that change are taken up, what
// cannot be used is not, and its end is seen coming. There is no console here: the log and /metrics tell of it.
#pragma once

#include <memory>

#include "app/certificate_keeper.h"
#include "relay/served_certificate.h"

namespace latchkey::app {

// A resource. Thread-safe, but for the two tasks.
class RelayCertificate final : public relay::ServedCertificate {
 public:
  struct Files {
    std::string certificate;
    std::string key;
  };
  // `data`: the relay's data directory, in which nothing is written. `wall`, `log` outlive it. Errors: those of
  // TlsServerContext::load.
  [[nodiscard]] static Result<std::unique_ptr<RelayCertificate>> load(Files files, const std::string& data, const WallClock& wall,
                                                                      Log& log);

  [[nodiscard]] net::TlsServerContext& context() { return *context_; }
  [[nodiscard]] relay::CertificateFigures figures() const override;
  // As CertificateKeeper's. The caller owns the tasks.
  [[nodiscard]] Task<void> keep_looking(SteadyClock& steady) { return keeper_.keep_looking(steady); }
  [[nodiscard]] Task<void> look_again() { return keeper_.look_again(); }

 private:
  RelayCertificate(std::unique_ptr<net::TlsServerContext> context, Files files, const std::string& data, const WallClock& wall,
                   Log& log);

  const WallClock& wall_;
  std::unique_ptr<net::TlsServerContext> context_;
  grants::Alerts alerts_;
  CertificateKeeper keeper_;
};

}  // namespace latchkey::app
