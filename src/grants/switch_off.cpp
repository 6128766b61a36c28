#include "grants/switch_off.h"

#include <boost/asio/post.hpp>

#include "grants/leaving.h"

namespace latchkey::grants {

Task<Result<store::Batch>> SwitchOff::switched_off(UserId user) {
  const auto grants = co_await store_.grants_of_user(user);
  if (!grants) co_return std::unexpected(grants.error());
  store::Batch batch;
  for (const auto& grant : *grants) {
    if (grant.state == store::GrantState::revoked) continue;
    if (grant.state == store::GrantState::disabled) continue;  // its own switching-off counts
    giving_back_.add_switched_off(batch, grant);
  }
  co_return batch;
}

Task<Result<store::Batch>> SwitchOff::switched_on(UserId user) {
  const auto grants = co_await store_.grants_of_user(user);
  if (!grants) co_return std::unexpected(grants.error());
  store::Batch batch;
  for (const auto& grant : *grants) {
    if (grant.state == store::GrantState::disabled) continue;
    batch.push_back(if_unchanged(grant));
    batch.push_back(store::DeleteRevocationOfSwitchedOff{grant.id});
  }
  co_return batch;
}

void SwitchOff::switched_off_done(UserId user, people::Actor actor) {
  auto* giving_back = &giving_back_;
  Requester requester{.actor = std::move(actor.name), .user = actor.user, .session_hash = {}, .source = std::move(actor.source)};
  boost::asio::post(executor_, [giving_back, ending = ending_, user, requester = std::move(requester)] {
    giving_back->nudge();
    if (ending) ending({.user = user}, requester);
  });
}

}  // namespace latchkey::grants
