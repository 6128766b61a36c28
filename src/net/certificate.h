// X.509 certificates as values: what people and checks need to know of one (RFC 5280). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

struct x509_st;

namespace latchkey::net {

// A value.
struct Certificate {
  std::string subject;             // the common name, else the whole name in one line
  std::string issuer;              // likewise
  std::vector<std::string> names;  // DNS names and IP addresses it is for (subjectAltName), lower case, in its order
  WallTime not_before{};
  WallTime not_after{};
  std::string fingerprint;         // SHA-256 of the whole: 64 hexadecimal digits
  bool authority = false;          // may sign others (basicConstraints CA)
  bool self_signed = false;        // names itself as issuer

  friend bool operator==(const Certificate&, const Certificate&) = default;
};

// Every certificate of a PEM text, in its order; at most 20. Errors: invalid/`no_certificate` where there is none,
// invalid/`bad_certificate` where one cannot be read.
[[nodiscard]] Result<std::vector<Certificate>> read_certificates(std::string_view pem);

// Whether it is for that host: a name, by RFC 6125's rules (one `*` for the leftmost label), or an IP address.
[[nodiscard]] bool is_for_host(const Certificate& certificate, std::string_view host);

// Of OpenSSL's; private to net.
[[nodiscard]] Certificate describe_certificate(x509_st* certificate);

}  // namespace latchkey::net
