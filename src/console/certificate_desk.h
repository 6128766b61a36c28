// What console and command line see of the certificate that the listener serves, and what the command line may do with it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "base/task.h"
#include "net/certificate.h"

namespace latchkey::console {

enum class CertificateSource {
  none,        // the listener speaks in clear
  configured,  // tls.certificate and tls.key
  given,       // handed over to the server, which keeps a copy
  own_authority,
  self_signed,
};
[[nodiscard]] std::string_view name_of(CertificateSource source);

// A value.
struct CertificateStatus {
  CertificateSource source = CertificateSource::none;
  bool served = false;                  // the listener speaks TLS with it; false beside a source: from the next start on
  std::vector<net::Certificate> chain;  // the server's own first; empty: none
  std::string certificate_file;
  std::string key_file;
  std::optional<net::Certificate> root;  // of the server's own authority
  std::string problem;                   // why what lies in the files is not served; empty: it is
};

// Every method may be called from any thread. Errors of those that change something: invalid (names, pair) with `field`;
// conflict/`certificate_configured` where the configuration names the files; misconfigured/`tls_folder` where they cannot be
// written.
class CertificateDesk {
 public:
  virtual ~CertificateDesk() = default;
  [[nodiscard]] virtual CertificateStatus status() const = 0;
  // A pair of somebody else's making, both PEM, checked before it replaces what is there.
  [[nodiscard]] virtual Task<Result<CertificateStatus>> use(std::string certificate, Secret key) = 0;
  // The server as its own authority. The root is made once for these names and kept as long as they are the same.
  [[nodiscard]] virtual Task<Result<CertificateStatus>> own_authority(std::vector<std::string> names) = 0;
  [[nodiscard]] virtual Task<Result<CertificateStatus>> self_signed(std::vector<std::string> names) = 0;
  // PEM; empty: there is none.
  [[nodiscard]] virtual std::string root() const = 0;
};

}  // namespace latchkey::console
