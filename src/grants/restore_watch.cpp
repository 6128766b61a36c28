#include "grants/restore_watch.h"

#include "base/bytes.h"
#include "base/json.h"

namespace latchkey::grants {
namespace {

// The id of the restore that is open; empty: none.
Task<Result<std::string>> open_id(store::Store& store) {
  const auto note = co_await store.meta(std::string(kRestoredMeta));
  if (!note) co_return std::unexpected(note.error());
  const auto parsed = parse_json(base::as_text(*note));
  if (!parsed || !parsed->is_object()) co_return std::string();
  auto id = base::string_or(parsed->get_object(), "id", "");
  if (id.empty()) co_return id;
  const auto over = co_await store.meta(std::string(kRestoreOverMeta));
  if (!over) co_return std::unexpected(over.error());
  if (base::as_text(*over) == id) id.clear();
  co_return id;
}

}  // namespace

std::string merged_meta(NodeId node) { return "restored_merged:" + node.text(); }

Task<Result<std::optional<OpenRestore>>> open_restore(store::Store& store) {
  auto id = co_await open_id(store);
  if (!id) co_return std::unexpected(id.error());
  if (id->empty()) co_return std::nullopt;
  OpenRestore open{.id = std::move(*id), .awaited = {}};
  const auto nodes = co_await store.nodes();
  if (!nodes) co_return std::unexpected(nodes.error());
  for (const auto& node : *nodes) {
    const auto merged = co_await store.meta(merged_meta(node.id));
    if (!merged) co_return std::unexpected(merged.error());
    if (base::as_text(*merged) != open.id) open.awaited.push_back(node);
  }
  co_return open;
}

Task<Result<bool>> has_to_merge(store::Store& store, NodeId node) {
  const auto id = co_await open_id(store);
  if (!id) co_return std::unexpected(id.error());
  if (id->empty()) co_return false;
  const auto merged = co_await store.meta(merged_meta(node));
  if (!merged) co_return std::unexpected(merged.error());
  co_return base::as_text(*merged) != *id;
}

}  // namespace latchkey::grants
