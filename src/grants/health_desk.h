// The state of everything at a glance, for the Health page, the command line and the metrics.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "grants/forecast.h"
#include "grants/keeper.h"
#include "grants/notice_desk.h"
#include "grants/outcome_tallies.h"
#include "store/store.h"

namespace latchkey::grants {

// How many grants lie between two moments counted from `at`; nullopt: no bound on that side.
struct SpanCount {
  std::optional<Seconds> from;
  std::optional<Seconds> until;
  std::int64_t count = 0;
};

// A grant that ends soon, as people know it.
struct NamedDying {
  DyingGrant grant;
  UserId user;
  std::string username;
  std::string account_name;
};

struct HealthPicture {
  WallTime at;
  std::vector<store::TypeStateCount> by_type;
  std::vector<SpanCount> until_expiry;   // of the access tokens in use
  std::vector<SpanCount> until_refresh;
  std::vector<AppCircuit> circuits;
  std::vector<store::App> apps;
  std::vector<store::Tally> outcomes;    // kOutcomeTallies, of the last 24 hours and the one that runs
  store::Listing<store::Revocation> revocations;  // the first of them
  std::vector<ChannelStatus> channels;
  std::vector<NamedDying> dying;  // the soonest, as of some minutes ago
  std::int64_t dying_count = 0;
  std::array<std::int64_t, kForeseenDays> dying_by_day{};
};

// Called on the engine's executor.
class HealthDesk {
 public:
  virtual ~HealthDesk() = default;
  // A few seconds old at most. Errors: the store's.
  [[nodiscard]] virtual Task<Result<std::shared_ptr<const HealthPicture>>> look() = 0;
};

}  // namespace latchkey::grants
