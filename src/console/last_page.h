// The words of a flow's last page, on their way from the callback to /oauth/done: in a cookie of the browser that shows them, so that
// any node may answer, also after a restart, and nobody else reads them.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/id.h"
#include "net/http_types.h"
#include "vault/vault.h"

namespace latchkey::console {

// A value. Plain text.
struct LastPage {
  bool succeeded = false;
  std::string title;
  std::string text;
  AuthorizationId id{};      // none: nothing of ours was recognised
  bool has_console = false;  // there is a way back to it in this browser
};

inline constexpr Seconds kLastPageLifetime{10 * 60};

// Borrows its parts. Thread-safe. A browser has one at a time: an older one's address shows no words any more.
class LastPages {
 public:
  LastPages(const vault::Vault& vault, const WallClock& wall, Entropy& entropy) : vault_(vault), wall_(wall), entropy_(entropy) {}

  struct Kept {
    std::string key;     // without meaning, for the clean address
    std::string cookie;  // a complete Set-Cookie value
  };
  // A text of more than 2,000 octets is cut.
  [[nodiscard]] Kept keep(const net::HttpRequest& request, LastPage page) const;
  [[nodiscard]] std::optional<LastPage> find(const net::HttpRequest& request, std::string_view key) const;

 private:
  const vault::Vault& vault_;
  const WallClock& wall_;
  Entropy& entropy_;
};

}  // namespace latchkey::console
