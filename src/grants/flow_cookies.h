// The cookie of a flow: it ties an authorisation to the browser that began it (RULES A1), one per flow, on the callback's
// own origin.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/secret.h"
#include "grants/authorize.h"
#include "vault/vault.h"

namespace latchkey::grants {

// Immutable; any thread. The vault outlives it.
class FlowCookies {
 public:
  // `public_url`: this server's own. https: __Host- cookies; http, which is loopback: a MAC ties the value to its flow.
  FlowCookies(const vault::Vault& vault, std::string public_url);

  // What is kept of a value.
  [[nodiscard]] Bytes hash(std::string_view value) const;
  // For Set-Cookie.
  [[nodiscard]] std::string set(const AuthorizationId& id, const Secret& value, Seconds lifetime) const;
  [[nodiscard]] std::string forget(const AuthorizationId& id) const;
  // Whether among what a browser sent is that flow's own, of the value that was kept as `hash`.
  [[nodiscard]] bool match(const AuthorizationId& id, ByteView hash, const Parameters& cookies) const;

 private:
  [[nodiscard]] std::string name(const AuthorizationId& id) const;
  [[nodiscard]] Bytes mac(const AuthorizationId& id, std::string_view value) const;

  const vault::Vault& vault_;
  const bool secure_;
};

}  // namespace latchkey::grants
