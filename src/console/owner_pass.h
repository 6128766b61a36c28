// What lets people without a console session look after their own grants: a pass in a cookie, under a MAC. Nothing of it is kept here,
// so that every server of a store takes it; it opens no token and no other page.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "net/http_types.h"
#include "vault/vault.h"

namespace latchkey::console {

// A value. Of a user, who has shown the PIN; or of one grant, to whose link an account has consented in this browser.
struct OwnerPass {
  UserId user{};
  std::int64_t auth_epoch = 0;  // a pass of an older epoch is dead
  GrantId grant{};
  std::string account_id;       // of the grant, as its provider knows it: whoever consented with another gets nowhere
  WallTime ends{};
};

inline constexpr Seconds kPassOfPin{30 * 60};
inline constexpr Seconds kPassOfLink{30 * 24 * 60 * 60};

// Borrows its parts. Thread-safe.
class OwnerPasses {
 public:
  OwnerPasses(const vault::Vault& vault, const WallClock& wall) : vault_(vault), wall_(wall) {}

  // A complete Set-Cookie value, for a confidential request's answer only.
  [[nodiscard]] std::string cookie(const net::HttpRequest& request, const OwnerPass& pass) const;
  [[nodiscard]] static std::string forgotten(const net::HttpRequest& request);
  // nullopt: none came, it is not of this server, it has ended, or it came over a line that others may read.
  [[nodiscard]] std::optional<OwnerPass> of(const net::HttpRequest& request) const;

  [[nodiscard]] WallTime ends_after(Seconds span) const { return wall_.now() + span; }

 private:
  const vault::Vault& vault_;
  const WallClock& wall_;
};

}  // namespace latchkey::console
