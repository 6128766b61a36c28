// Asks for the grants of a restored store whose refresh token may have been spent since the backup (RULES F10): soon after the start,
// while their access tokens are still served, not when those end.
#pragma once

#include <memory>
#include <string_view>

#include "catalog/catalog.h"
#include "grants/keeper.h"
#include "grants/restore_watch.h"

namespace latchkey::grants {

// The note of a restore (kRestoredMeta) again, once the people concerned have been asked.
inline constexpr std::string_view kRestoredAskedMeta = "restored_asked";

// Of the engine's executor. Once after each restore. What the keeper cannot ask for now (a provider's description cannot be read) is
// asked for when its token falls due.
class RestoredGrants {
 public:
  RestoredGrants(store::Store& store, std::shared_ptr<const catalog::Catalog> catalog, Keeper& keeper, Log& log)
      : store_(store), catalog_(std::move(catalog)), keeper_(keeper), log_(log) {}

  // Waits for the journals of all nodes to be merged first (grants/restore_watch.h); then until the store could be read to its end.
  [[nodiscard]] Task<void> ask(SteadyClock& steady);

 private:
  // False: it is too early.
  [[nodiscard]] Task<Result<bool>> pass();
  [[nodiscard]] Task<Result<void>> ask_for_all();
  [[nodiscard]] Task<Result<void>> ask_for(store::Grant grant);

  store::Store& store_;
  std::shared_ptr<const catalog::Catalog> catalog_;
  Keeper& keeper_;
  Log& log_;
  std::int64_t asked_ = 0;
};

}  // namespace latchkey::grants
