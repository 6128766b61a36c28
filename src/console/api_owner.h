// /owner: what people without a console session do about their own grants: look, authorise again, revoke. They come by a link through
// which they have consented, or with username and PIN, throttled like the token door (RULES T4, T5).
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "console/owner_pace.h"
#include "console/owner_pass.h"
#include "console/probes.h"
#include "console/router.h"
#include "grants/authorize.h"
#include "grants/grant_desk.h"
#include "people/pin_gate.h"
#include "store/store.h"

namespace latchkey::console {

class OwnerApi final : public ApiSection, public MetricsSource {
 public:
  struct Parts {
    people::PinGate& gate;
    OwnerPasses& passes;
    grants::Authorizer& authorizer;
    grants::GrantDesk& desk;
    store::Store& store;
    std::shared_ptr<const catalog::Catalog> catalog;
    const SteadyClock& steady;
    Executor engine;
  };
  explicit OwnerApi(Parts parts) : parts_(std::move(parts)) {}
  [[nodiscard]] std::vector<Route> routes() override;
  [[nodiscard]] Task<std::vector<Metric>> collect() override;

 private:
  // Whose pass it is, and what it opens now.
  struct Holdings {
    store::User user;
    std::vector<store::Grant> grants;
    OwnerPass pass;
  };
  [[nodiscard]] Task<Result<std::optional<Holdings>>> holdings_of(std::optional<OwnerPass> pass);
  // The one grant the path names, if the pass opens it. Problems: `not_signed_in`, `not_found`.
  [[nodiscard]] Task<std::expected<Holdings, Problem>> find(Call call);

  [[nodiscard]] Task<Answer> look(Call call);
  [[nodiscard]] Task<Answer> sign_in(Call call);
  [[nodiscard]] Task<Answer> sign_out(Call call);
  [[nodiscard]] Task<Answer> authorize(Call call);
  [[nodiscard]] Task<Answer> revoke(Call call);
  [[nodiscard]] Answer shown(int status, const std::optional<Holdings>& holdings) const;

  Parts parts_;
  OwnerPace pace_;
  std::atomic<std::int64_t> sign_ins_{0};
  std::atomic<std::int64_t> authorized_{0};
  std::atomic<std::int64_t> revoked_{0};
};

}  // namespace latchkey::console
