#include "grants/pin_reset.h"

#include <algorithm>

#include "grants/standing_delegation.h"

namespace latchkey::grants {

Task<Result<store::Batch>> PinReset::pin_reset(store::User, store::User after) {
  store::Batch batch;
  const auto grants = co_await store_.grants_of_user(after.id);
  if (!grants) co_return std::unexpected(grants.error());
  for (const auto& held : *grants) {
    const auto view = co_await store_.grant(held.id);
    if (!view) co_return std::unexpected(view.error());
    if (!*view) continue;
    auto grant = (*view)->grant;
    if (const auto checked = sealing_.check(grant); !checked) co_return std::unexpected(checked.error());
    const auto pair = vault_.make_key_pair();
    grant.public_key.assign(pair.public_key.begin(), pair.public_key.end());
    if (grant.due_at) grant.due_at = wall_.now();
    sealing_.vouch(grant);
    for (const auto& generation : (*view)->generations) {
      if (generation.access_sealed.empty()) continue;
      auto emptied = generation;
      emptied.access_sealed.clear();
      batch.push_back(store::PutGeneration{std::move(emptied)});
    }
    batch.push_back(store::PutWrap{sealing_.wrap_for_user(grant, after.public_key, pair.private_key, wall_.now())});
    const auto others = co_await seal_to_others(grant, pair.private_key.clone());
    if (!others) co_return std::unexpected(others.error());
    batch.insert(batch.end(), others->begin(), others->end());
    batch.push_back(store::UpdateGrant{std::move(grant)});
  }
  co_return batch;
}

// The new private half, to the documents that wait for the grant and to the connectors that stand for it: they go on by it (RULES
// K2).
Task<Result<store::Batch>> PinReset::seal_to_others(store::Grant grant, Secret private_key) {
  store::Batch batch;
  const auto wraps = co_await store_.wraps(grant.id);
  if (!wraps) co_return std::unexpected(wraps.error());
  for (const auto& wrap : *wraps) {
    const auto id = wrap.holder_kind == store::HolderKind::delivery ? DeliveryId::from_bytes(wrap.holder) : std::nullopt;
    if (!id) continue;
    const auto delivery = co_await store_.delivery(*id);
    if (!delivery) co_return std::unexpected(delivery.error());
    vault::PublicKey key;
    if (!*delivery || (*delivery)->public_key.size() != key.size() || !sealing_.check(**delivery)) continue;
    std::ranges::copy((*delivery)->public_key, key.begin());
    batch.push_back(store::PutWrap{sealing_.wrap_for_delivery(grant, *id, key, private_key, wall_.now())});
  }
  const auto connectors = co_await store_.connectors();
  if (!connectors) co_return std::unexpected(connectors.error());
  for (const auto& connector : *connectors) {
    const auto& standing = connector.delegation;
    if (standing.grant != grant.id || find_wrap(*wraps, standing) == wraps->end() || !sealing_.check(connector)) continue;
    batch.push_back(store::PutWrap{sealing_.wrap_for_connector(grant, standing, private_key, wall_.now())});
  }
  co_return batch;
}

void PinReset::pin_reset_done(store::User after) { watcher_.grant_changed(after.id, {}); }

}  // namespace latchkey::grants
