// Looks at the whole every few seconds and raises what no single part of the engine sees: tokens that have ended, providers that
// do not answer, a store that is away, servers that have fallen silent.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "grants/alerts.h"
#include "grants/health_desk.h"
#include "grants/node_desk.h"
#include "grants/sealing.h"

namespace latchkey::grants {

// As much of the picture as Lookout needs: cheap, and not kept, so that whoever looks at the whole is not shown an older one.
class HealthGlance final : public HealthDesk {
 public:
  HealthGlance(store::Store& store, const Keeper& keeper, const WallClock& wall) : store_(store), keeper_(keeper), wall_(wall) {}

  // Only `at`, the first of `until_expiry`, `circuits` and `apps`.
  [[nodiscard]] Task<Result<std::shared_ptr<const HealthPicture>>> look() override;

 private:
  store::Store& store_;
  const Keeper& keeper_;
  const WallClock& wall_;
};

// Alerts: `tokens_ended`, `provider_unreachable:APP`, `store_unreachable`, `store_stopped`, `node_silent:ID`; ends `record_altered:...`. Lives on the engine's executor.
class Lookout {
 public:
  // What passes within these is no news.
  static constexpr Seconds kStoreAwayFor{4};
  static constexpr Seconds kTokensEndedFor{180};      // a start after a stop finds many that are due
  static constexpr Seconds kProviderFailsFor{300};    // without its circuit being open: few grants, long pauses

  struct Parts {
    store::Store& store;
    HealthDesk& health;
    const Sealing& sealing;
    NodeDesk* nodes;  // nullptr: no other server shares the store
    Alerts& alerts;
    const WallClock& wall;
    SteadyClock& steady;
  };
  explicit Lookout(Parts parts) : parts_(parts) {}

  // For ever; the caller owns the task.
  [[nodiscard]] Task<void> keep_looking();
  // Once. Whether the store answers is asked every time, the rest (more work) where `thorough` and it does.
  [[nodiscard]] Task<void> look(bool thorough);

 private:
  [[nodiscard]] Task<bool> look_at_store();
  [[nodiscard]] Task<void> look_at_nodes();
  void look_at_tokens(const HealthPicture& picture);
  void look_at_providers(const HealthPicture& picture);

  Parts parts_;
  std::optional<SteadyTime> store_away_since_;
  std::optional<SteadyTime> tokens_ended_since_;
  struct Failing {
    WallTime since{};
    std::int64_t failures = 0;
    WallTime last_at{};  // when it was seen to fail last
  };
  std::map<std::string, Failing> failing_;  // by app
  std::set<std::string> silent_;  // nodes that were at the last look
};

}  // namespace latchkey::grants
