// A shared store whose standby takes over without having heard of what came last.
#pragma once

#include "store/store.h"

namespace latchkey::grants {

inline store::Batch falling_back(const store::GrantView& now, const store::GrantView& before) {
  auto grant = before.grant;
  grant.version = now.grant.version;
  store::Batch batch{store::UpdateGrant{grant}, store::DeleteIntentsOf{grant.id}};
  for (const auto& generation : now.generations) batch.push_back(store::DeleteGeneration{grant.id, generation.number});
  for (const auto& generation : before.generations) batch.push_back(store::PutGeneration{generation});
  if (before.intent) batch.push_back(store::InsertIntent{*before.intent});
  return batch;
}

inline Task<Result<void>> fall_back(store::Store& store, store::GrantView before) {
  const auto now = co_await store.grant(before.grant.id);
  co_return co_await store.commit(falling_back(**now, before));
}

}  // namespace latchkey::grants
