// Making certificates (RFC 5280): one that vouches for itself, and a small authority of one's own whose root devices import.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace latchkey::net {

// A value that moves. Both PEM; of an issued one the authority's certificate follows the server's own.
struct KeyedCertificate {
  std::string certificate;
  Secret key;
};

// Half-open; what is made is in force from a day earlier, for clocks that are behind.
struct Validity {
  WallTime from{};
  WallTime until{};
};

// DNS names (one may begin with "*.") and IP addresses, one to kNamesMax of them. Errors: invalid/`bad_name` naming the one
// that is neither.
inline constexpr std::size_t kNamesMax = 20;
[[nodiscard]] Result<void> check_certificate_names(const std::vector<std::string>& names);

// P-256 keys, ECDSA with SHA-256, serial numbers of 127 random bits. Errors: those of check_certificate_names; bug/
// `openssl_failed`.
[[nodiscard]] Result<KeyedCertificate> make_self_signed(const std::vector<std::string>& names, Validity validity);
// A root that may sign for these names (and what lies beneath a DNS name) and for nothing else: whoever imports it trusts
// this server with no other site (name constraints, RFC 5280 4.2.1.10, critical).
[[nodiscard]] Result<KeyedCertificate> make_authority(const std::string& title, const std::vector<std::string>& names,
                                                      Validity validity);
[[nodiscard]] Result<KeyedCertificate> issue_certificate(const KeyedCertificate& authority,
                                                         const std::vector<std::string>& names, Validity validity);

// The certificate in DER (what phones import); empty: it is no PEM certificate.
[[nodiscard]] std::string der_of(const std::string& pem);

// Whether key and certificate belong together, and the key is usable. Errors: invalid/`key_unreadable`, `key_mismatch`;
// those of read_certificates.
[[nodiscard]] Result<void> check_pair(std::string_view certificate, const Secret& key);

}  // namespace latchkey::net
