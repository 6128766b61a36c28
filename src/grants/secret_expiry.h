// Warns before a client secret runs out: after that day the provider refuses every refresh of the app (R21).
#pragma once

#include <string>

#include "base/clock.h"
#include "base/task.h"
#include "grants/alerts.h"
#include "store/store.h"

namespace latchkey::grants {

// Raises `app_secret_expires:APP` from 30 days before the day on which the app's last secret runs out (a second one that
// lasts longer, or for ever, is used by itself), with the day and the remedy; clears it once that is replaced or gone.
// Thread-safe.
class SecretExpiry {
 public:
  SecretExpiry(store::Store& store, const WallClock& wall, Alerts& alerts) : store_(store), wall_(wall), alerts_(alerts) {}

  // All apps. An error of the store leaves everything as it was.
  [[nodiscard]] Task<void> look();
  // One that has just been saved.
  void look_at(const store::App& app);
  void forget(const std::string& app);
  // For ever, at once and then every minute: apps are saved and deleted at other servers, too.
  [[nodiscard]] Task<void> keep_looking(SteadyClock& steady);

 private:
  store::Store& store_;
  const WallClock& wall_;
  Alerts& alerts_;
};

}  // namespace latchkey::grants
