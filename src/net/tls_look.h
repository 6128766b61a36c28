// What a server shows whoever connects by TLS: its certificates, and whether this machine would trust them. Nothing but the
// handshake is spoken, and before it what a mail client says to be granted one.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "net/address_policy.h"
#include "net/certificate.h"

namespace latchkey::net {

// What became of verifying, as an administrator would act on it.
enum class Trust {
  trusted,
  unknown_authority,  // signed by nobody this machine knows: an authority of one's own, or intermediate certificates are missing
  self_signed,        // it vouches for itself
  not_in_force,       // expired, or not yet valid
  wrong_name,         // good, but for another host
  other,
};

// A value. Which stage was the last is part of it: the fields of later ones are empty.
struct TlsLook {
  enum class Stage { name, address, connection, handshake, done } stage = Stage::name;  // the one that failed, or done
  std::string why;                 // the failed stage's own words; of distrust, the verifier's
  std::vector<std::string> addresses;
  std::vector<Certificate> chain;  // as sent, the server's own first
  Trust trust = Trust::other;
  std::string protocol;            // "TLSv1.3"
};

// What is spoken in clear before the handshake.
enum class BeforeTls {
  nothing,
  smtp_starttls,  // EHLO and STARTTLS (RFC 3207)
};

struct TlsLookRequest {
  std::string host;                // without brackets
  std::uint16_t port = 443;
  std::vector<std::string> ca_files;  // PEM authorities beside the system's; one that cannot be read adds none
  Milliseconds patience{8'000};    // for connecting and for the handshake together; resolving takes as long as the system's resolver
  BeforeTls before = BeforeTls::nothing;
};

// The addresses a name has, by the system's resolver. BLOCKS: for a worker, never for an event loop. Empty: it does not resolve.
[[nodiscard]] std::vector<IpAddress> resolve_host(const std::string& host);

// BLOCKS likewise. Connects to addresses only that the policy lets through for this host and port.
[[nodiscard]] TlsLook look_at_tls(const TlsLookRequest& request, const AddressPolicy& policy);

}  // namespace latchkey::net
