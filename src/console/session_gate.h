// The browser's session: the cookie in, the principal out, and the cookie back.
#pragma once

#include <string>
#include <string_view>

#include "console/principal.h"
#include "people/sessions.h"
#include "vault/vault.h"

namespace latchkey::console {

// `__Host-latchkey` over https (RFC 6265bis: Secure, Path=/, no Domain, so no neighbour can plant it), `latchkey` on
// loopback http, where browsers refuse the prefix.
[[nodiscard]] std::string_view session_cookie_name(const net::HttpRequest& request);
// Complete Set-Cookie values. SameSite=Strict: every page of the console asks for its data by itself, after the
// navigation, so nothing is lost by not sending the cookie with navigations from elsewhere.
[[nodiscard]] std::string session_cookie(const net::HttpRequest& request, std::string_view token);
[[nodiscard]] std::string expired_session_cookie(const net::HttpRequest& request);

class SessionGate final : public Gate {
 public:
  SessionGate(people::Sessions& sessions, const vault::Vault& vault) : sessions_(sessions), vault_(vault) {}
  [[nodiscard]] Task<Result<Principal>> identify(net::HttpRequest request) override;
  [[nodiscard]] bool may_name(const net::HttpRequest& request) const override;
  [[nodiscard]] Caller caller() const override { return Caller::browser; }

 private:
  people::Sessions& sessions_;
  const vault::Vault& vault_;
};

[[nodiscard]] people::Transport transport_of(const net::HttpRequest& request);

}  // namespace latchkey::console
