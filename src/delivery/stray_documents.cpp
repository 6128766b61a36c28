#include "delivery/stray_documents.h"

#include <algorithm>
#include <optional>

#include "delivery/spool_file.h"

namespace latchkey::delivery {
namespace {

// Sorts as time does.
std::string stamp_of(WallTime moment) {
  auto text = base::to_rfc3339(moment);
  std::ranges::replace(text, ':', '-');
  return text;
}

std::optional<StrayDocument> stray_of(const std::string& file) {
  const auto dot = file.rfind('.');
  if (dot == std::string::npos) return std::nullopt;
  const auto id = spooled_id(std::string_view(file).substr(dot + 1));
  if (!id) return std::nullopt;
  return StrayDocument{.id = *id, .file = file};
}

Result<void> unless_gone(Result<void> done) {
  if (!done && done.error().reason == "no_file") return {};
  return done;
}

}  // namespace

Result<std::size_t> StrayDocuments::settle(const std::vector<DeliveryId>& unknown, WallTime now) const {
  std::size_t aside = 0;
  for (const auto& id : unknown) {
    const auto whole = is_finished(*files_, spool_, id);
    if (!whole) return std::unexpected(whole.error());
    if (!*whole) {
      if (auto gone = unless_gone(files_->unlink(spool_path(spool_, id))); !gone) return std::unexpected(gone.error());
      continue;
    }
    if (aside == 0) {
      if (auto made = files_->make_directory(directory()); !made) return std::unexpected(made.error());
    }
    if (auto moved = files_->rename(spool_path(spool_, id), directory() + "/" + stamp_of(now) + "." + id.text()); !moved) {
      return std::unexpected(moved.error());
    }
    ++aside;
  }
  if (aside == 0) return aside;
  for (const auto& changed : {directory(), spool_}) {
    if (auto synced = files_->sync_directory(changed); !synced) return std::unexpected(synced.error());
  }
  return aside;
}

Result<std::vector<StrayDocument>> StrayDocuments::list() const {
  std::vector<StrayDocument> found;
  const auto names = files_->list(directory());
  if (!names && names.error().reason == "no_file") return found;
  if (!names) return std::unexpected(names.error());
  for (const auto& name : *names) {
    if (auto stray = stray_of(name)) found.push_back(std::move(*stray));
  }
  return found;
}

Result<void> StrayDocuments::take_back(const std::vector<StrayDocument>& known) const {
  if (known.empty()) return {};
  for (const auto& stray : known) {
    if (auto moved = unless_gone(files_->rename(directory() + "/" + stray.file, spool_path(spool_, stray.id))); !moved)
      return moved;
  }
  return files_->sync_directory(spool_);
}

Result<std::size_t> StrayDocuments::remove_found_before(WallTime moment) const {
  const auto all = list();
  if (!all) return std::unexpected(all.error());
  const auto limit = stamp_of(moment);
  std::size_t removed = 0;
  for (const auto& stray : *all) {
    if (stray.file >= limit) continue;
    if (auto gone = unless_gone(files_->unlink(directory() + "/" + stray.file)); !gone) return std::unexpected(gone.error());
    ++removed;
  }
  return removed;
}

}  // namespace latchkey::delivery
