#include "grants/switch_off.h"

#include <boost/asio/post.hpp>

namespace latchkey::grants {

Task<Result<store::Batch>> SwitchOff::switched_off(UserId user) {
  const auto grants = co_await store_.grants_of_user(user);
  if (!grants) co_return std::unexpected(grants.error());
  store::Batch batch;
  for (const auto& grant : *grants) {
    if (grant.state == store::GrantState::revoked) continue;
    if (auto put = giving_back_.entry_of_switched_off(grant)) batch.push_back(std::move(*put));
  }
  co_return batch;
}

void SwitchOff::switched_off_done() {
  auto* giving_back = &giving_back_;
  boost::asio::post(executor_, [giving_back] { giving_back->nudge(); });
}

}  // namespace latchkey::grants
