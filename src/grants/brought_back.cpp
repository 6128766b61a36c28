#include "grants/brought_back.h"

#include <algorithm>

namespace latchkey::grants {

void stamp(Step& step, WallTime came_at) {
  for (auto& mutation : step.batch) {
    if (auto* update = std::get_if<store::UpdateIntent>(&mutation)) update->intent.settled_at = std::min(update->intent.settled_at, came_at);
    if (auto* put = std::get_if<store::PutGeneration>(&mutation)) put->generation.issued_at = std::min(put->generation.issued_at, came_at);
    if (auto* insert = std::get_if<store::InsertIntent>(&mutation)) insert->intent.settled_at = std::min(insert->intent.settled_at, came_at);
  }
}

void leave_lease(Step& step, const store::Grant& before) {
  for (auto& mutation : step.batch) {
    auto* update = std::get_if<store::UpdateGrant>(&mutation);
    if (update == nullptr) continue;
    update->grant.lease_owner = before.lease_owner;
    update->grant.lease_until = before.lease_until;
  }
  step.grant.lease_owner = before.lease_owner;
  step.grant.lease_until = before.lease_until;
}

void spare_candidates(Step& step, const store::GrantView& view, const Secret* brought, const Sealing& sealing) {
  std::erase_if(step.batch, [&](const store::Mutation& mutation) {
    const auto* deletion = std::get_if<store::DeleteGeneration>(&mutation);
    if (deletion == nullptr) return false;
    const auto held = std::ranges::find(view.generations, deletion->number, &store::Generation::number);
    if (held == view.generations.end() || held->state != store::GenerationState::candidate) return false;
    const auto material = sealing.open_refresh(view.grant, *held);
    return !(material && brought != nullptr && material->token.equals(*brought));
  });
}

}  // namespace latchkey::grants
