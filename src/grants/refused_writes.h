// The end of the alerts of a disk that took nothing (`store_refuses`, `journal_full`): a refresh that works clears them, and where no
// refresh follows (the grant was deleted, another node has it) the disk is tried with a write of no consequence.
#pragma once

#include "base/clock.h"
#include "base/entropy.h"
#include "base/task.h"
#include "grants/alerts.h"
#include "store/reply_journal.h"
#include "store/store.h"

namespace latchkey::grants {

struct RefusedWrites {
  store::Store& store;
  store::ReplyJournal& journal;
  Alerts& alerts;
  const WallClock& wall;
  SteadyClock& steady;
  Entropy& entropy;
};

inline constexpr std::string_view kWritesTried = "writes_tried";  // the tally that a try adds to

// Until it is cancelled. An alert that was raised again since the last look is not ended: whoever raised it is still refused.
[[nodiscard]] Task<void> watch_refused_writes(RefusedWrites parts);

}  // namespace latchkey::grants
