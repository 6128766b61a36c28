// What /metrics tells of the certificate that a relay serves.
#pragma once

namespace latchkey::relay {

struct CertificateFigures {
  double days_left = 0;  // negative: it has ended
  bool refused = false;  // its files hold something that cannot be used; the one before goes on
};

// Thread-safe.
class ServedCertificate {
 public:
  virtual ~ServedCertificate() = default;
  [[nodiscard]] virtual CertificateFigures figures() const = 0;
};

}  // namespace latchkey::relay
