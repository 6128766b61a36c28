// Certificates of the server's own making, and when they are made.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/tls_folder.h"

namespace latchkey::app {

inline constexpr std::chrono::days kOwnLife{90};
inline constexpr std::chrono::days kRootLife{3650};

// For choice.source, own_authority or self_signed, and choice.names; the root goes into the folder, and its names into the
// choice. It is made anew only for other names, or where it would not outlive what it signs: devices have imported it.
// Errors: those of net/certificate_maker.h and of the folder.
[[nodiscard]] Result<net::KeyedCertificate> make_own_certificate(const TlsFolder& folder, TlsChoice& choice, WallTime now);

// The names of the public address and of the listener: what a certificate is for unless others are given.
[[nodiscard]] std::vector<std::string> own_names(const Config& config);

struct TlsFiles {
  std::string certificate;
  std::string key;
};
// What the listener speaks from the start: the configuration's files; else what was chosen in an earlier run; else what
// tls.source asks for, which is made then. Where the server makes its certificate itself and finds none that is whole, it
// makes one. A public address that is not given follows. nullopt: in clear. Errors: as above.
[[nodiscard]] Result<std::optional<TlsFiles>> settle_tls(Config& config, WallTime now);

}  // namespace latchkey::app
