// /certificate: what is served; and /own-root.crt, for devices that are to trust the server's own authority.
#pragma once

#include "base/clock.h"
#include "console/certificate_desk.h"
#include "console/router.h"

namespace latchkey::console {

class CertificateApi final : public ApiSection {
 public:
  CertificateApi(CertificateDesk& desk, const WallClock& wall) : desk_(desk), wall_(wall) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> show(Call call);
  [[nodiscard]] Task<Answer> use(Call call);
  [[nodiscard]] Task<Answer> own_authority(Call call);
  [[nodiscard]] Task<Answer> self_signed(Call call);
  [[nodiscard]] Answer answer(Result<CertificateStatus> status) const;

  CertificateDesk& desk_;
  const WallClock& wall_;
};

// A root certificate is no secret, and a printer signs in nowhere: anybody who reaches the listener may fetch it, in DER.
class RootDownload final : public net::HttpHandler {
 public:
  explicit RootDownload(const CertificateDesk& desk) : desk_(desk) {}
  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view, std::string_view) const override { return 0; }

 private:
  const CertificateDesk& desk_;
};

}  // namespace latchkey::console
