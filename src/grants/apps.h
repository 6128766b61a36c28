// App registrations: client ids and secrets at providers, each bound to one provider and token origin (RULES K6, F8).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "catalog/catalog.h"
#include "grants/authorize.h"
#include "store/store.h"
#include "vault/vault.h"

namespace latchkey::grants {

struct SecretWish {
  enum class Kind { keep, clear, set } kind = Kind::keep;
  Secret value;
  std::optional<WallTime> expires_at;
  // keep: which present slot moves here (0 or 1), `expires_at` then being as given; absent: this one, its expiry kept.
  std::optional<std::size_t> from{};
};

struct AppWish {
  std::string id;        // a provider's id, or a name of one's own: [a-z0-9][a-z0-9-]{0,62}
  std::string provider;
  std::string client_id;
  Parameters params;
  std::array<SecretWish, 2> secrets;  // newest first
};

struct AppView {
  store::App app;            // without secrets' ciphertext
  std::string redirect_uri;
  std::array<bool, 2> secret_set{};
  std::int64_t grants = 0;
  bool from_cloud = false;  // the Cloud Service's: changed there alone
  bool device_codes = true;  // where its provider gives any: not if somebody else has its secret
};

// Called on the engine's executor.
class Apps {
 public:
  virtual ~Apps() = default;
  [[nodiscard]] virtual Task<Result<std::vector<AppView>>> list() = 0;
  // Errors: invalid with `field` (id, provider, client_id, params.NAME, secrets.0.value); conflict/`app_in_use` when a
  // change of provider, client id or token origin would strand grants (F8).
  [[nodiscard]] virtual Task<Result<AppView>> put(AppWish wish, Requester requester) = 0;
  [[nodiscard]] virtual Task<Result<void>> remove(std::string id, Requester requester) = 0;
  [[nodiscard]] virtual std::string redirect_uri(std::string_view app) const = 0;  // {public_url}/oauth/callback/{app}
};

}  // namespace latchkey::grants
