// A restored database that several nodes share (RULES F10): which of them have yet to bring back the newer tokens their journals
// kept. Until the last has, a token from one journal may have been spent by a node whose own journal holds the answer.
//
// Meta `restored` (JSON: backup_at, restored_at in ms, nothing_ran_since; `id` where others are waited for; `unfinished` while records
// are being marked) opens a restore;
// `restored_merged:<node>` = its id when that node's journal is merged; `restored_over` = its id once nobody is waited for. Notes
// that came with the dump bear another id.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "store/store.h"

namespace latchkey::grants {

inline constexpr std::string_view kRestoredMeta = "restored";
inline constexpr std::string_view kRestoreOverMeta = "restored_over";
[[nodiscard]] std::string merged_meta(NodeId node);

struct OpenRestore {
  std::string id;
  std::vector<store::Node> awaited;  // of the nodes the store knows
};
// nullopt: the store was not restored, or nobody is waited for any more. Errors: those of the store.
[[nodiscard]] Task<Result<std::optional<OpenRestore>>> open_restore(store::Store& store);

// At a start: what may have been spent is marked in part, or not at all. Errors: misconfigured/`restore_unfinished`, with the way on;
// those of the store.
[[nodiscard]] Task<Result<void>> check_restore_finished(store::Store& store);

// Whether a restore is open since which this node's journal has not been merged. Errors: those of the store.
[[nodiscard]] Task<Result<bool>> has_to_merge(store::Store& store, NodeId node);

}  // namespace latchkey::grants
