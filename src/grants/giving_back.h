// Giving tokens back to the provider when nobody here owns them any more: a deleted grant, an undone consent, a reply that
// came too late (RULES F7, RFC 7009).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/task_group.h"
#include "grants/counters.h"
#include "grants/provider_client.h"

namespace latchkey::grants {

// What is given back. `access` may be empty.
struct UnownedTokens {
  RefreshMaterial refresh;
  Secret access;
};

// Best effort and in the background: a provider that cannot be reached now is not asked again. Lives on the engine's
// executor.
class GivingBack {
 public:
  GivingBack(store::Store& store, ProviderClients& clients, net::HttpTransport& transport, Counters& counters, Log& log,
             Executor executor)
      : store_(store), clients_(clients), transport_(transport), counters_(counters), log_(log), under_way_(std::move(executor), log) {}

  // Call it when the store no longer holds the grant the tokens belonged to. Nothing is sent where the provider offers no
  // revocation, and nothing while another grant here, or a consent that waits for approval, rests on the same consent (same app, same account, any type): several
  // providers revoke the account's whole consent to the app, not one token. An empty `account_id` could be anybody's, so
  // it counts as resting.
  void later(std::shared_ptr<const ProviderClient> client, std::string account_id, UnownedTokens tokens);
  // The same for the token of a grant that is no more; the client is made afterwards, since that may ask the provider.
  void later(store::Grant grant, RefreshMaterial refresh);
  // Whether a consent that waits for a person's answer rests on this account's consent to the app. Before the first later().
  using Waiting = std::function<Task<bool>(std::string app, std::string account_id)>;
  void set_waiting(Waiting waiting) { waiting_ = std::move(waiting); }
  // Waits for what is under way.
  [[nodiscard]] Task<void> stop() { return under_way_.drain(); }

 private:
  [[nodiscard]] Task<void> give_back(std::shared_ptr<const ProviderClient> client, std::string account_id, std::shared_ptr<UnownedTokens> tokens);
  [[nodiscard]] Task<void> give_back_grant(store::Grant grant, std::shared_ptr<UnownedTokens> tokens);
  [[nodiscard]] Task<bool> rested_on(std::shared_ptr<const ProviderClient> client, std::string account_id);
  // For providers that revoke by access token: a last one.
  [[nodiscard]] Task<Secret> last_access_token(std::shared_ptr<const ProviderClient> client, std::shared_ptr<UnownedTokens> tokens);

  store::Store& store_;
  ProviderClients& clients_;
  net::HttpTransport& transport_;
  Counters& counters_;
  Log& log_;
  TaskGroup under_way_;
  Waiting waiting_;
};

}  // namespace latchkey::grants
