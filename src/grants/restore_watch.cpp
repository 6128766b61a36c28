#include "grants/restore_watch.h"

#include "base/bytes.h"
#include "base/json.h"

namespace latchkey::grants {
namespace {

// Empty: the store was never restored.
Task<Result<JsonObject>> note_of_restore(store::Store& store) {
  const auto note = co_await store.meta(std::string(kRestoredMeta));
  if (!note) co_return std::unexpected(note.error());
  auto parsed = parse_json(base::as_text(*note));
  if (!parsed || !parsed->is_object()) co_return JsonObject();
  co_return std::move(parsed->get_object());
}

// The id of the restore that is open; empty: none.
Task<Result<std::string>> open_id(store::Store& store) {
  const auto note = co_await note_of_restore(store);
  if (!note) co_return std::unexpected(note.error());
  auto id = base::string_or(*note, "id", "");
  if (id.empty()) co_return id;
  const auto over = co_await store.meta(std::string(kRestoreOverMeta));
  if (!over) co_return std::unexpected(over.error());
  if (base::as_text(*over) == id) id.clear();
  co_return id;
}

}  // namespace

Task<Result<void>> check_restore_finished(store::Store& store) {
  const auto note = co_await note_of_restore(store);
  if (!note) co_return std::unexpected(note.error());
  if (!note->contains("unfinished")) co_return Result<void>{};
  co_return fail(ErrorKind::misconfigured, "restore_unfinished",
                 "The database was put back from an older state, and marking what may have been used since was broken off. "
                 "Run `latchkey restore "
                 "--database` again, to its end, before any server is started; nothing was changed.",
                 {.field = "store"});
}

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
