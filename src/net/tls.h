// Certificates for listeners.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace latchkey::net {

// Whether the file can be read and holds at least one PEM certificate.
[[nodiscard]] bool holds_certificate(const std::string& file);

// TLS 1.2 and 1.3 for a server, with session tickets and without a session cache or renegotiation. A resource shared
// by all listeners; reload() may be called while connections are served (they keep the certificate they began with).
class TlsServerContext {
 public:
  // PEM files; the certificate file holds the chain, leaf first. Errors: misconfigured/`tls_certificate_unreadable`,
  // `tls_key_unreadable`, `tls_key_mismatch`, each naming the file and the remedy.
  [[nodiscard]] static Result<std::unique_ptr<TlsServerContext>> load(std::string certificate_file,
                                                                      std::string key_file);
  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;
  ~TlsServerContext();

  // Reads both files again; on error the old certificate stays in use.
  [[nodiscard]] Result<void> reload();

  // For the streams of this room: an OpenSSL context, shared by all threads.
  struct Native;
  [[nodiscard]] std::shared_ptr<Native> native() const;

 private:
  TlsServerContext();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::net
