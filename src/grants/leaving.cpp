#include "grants/leaving.h"

#include <boost/asio/post.hpp>

#include <algorithm>

#include "grants/lifecycle.h"

namespace latchkey::grants {

store::Mutation if_unchanged(const store::Grant& grant) { return store::UpdateGrant{grant}; }

std::vector<RefreshMaterial> refresh_of(const Sealing& sealing, const store::GrantView& view) {
  std::vector<RefreshMaterial> tokens;
  const auto older = passed_over(view, catalog::ReplayPolicy::revokes_family);
  for (const auto& held : view.generations) {
    const bool may_live = held.number == view.grant.generation || held.state == store::GenerationState::candidate ||
                          std::ranges::find(older, &held) != older.end();
    if (!may_live || held.refresh_sealed.empty()) continue;
    if (auto opened = sealing.open_refresh(view.grant, held)) tokens.push_back(std::move(*opened));
  }
  return tokens;
}

Task<Result<Belongings>> belongings_of(store::Store& store, const Sealing& sealing, store::User user) {
  Belongings belongings;
  const auto held = co_await store.grants_of_user(user.id);
  if (!held) co_return std::unexpected(held.error());
  // Giving a user a grant moves the user's version on, refreshing a grant the grant's.
  belongings.first.push_back(store::UpdateUser{std::move(user)});
  for (const auto& grant : *held) {
    auto view = co_await store.grant(grant.id);
    if (!view) co_return std::unexpected(view.error());
    if (!*view) co_return fail(ErrorKind::conflict, "version", "A grant was deleted meanwhile.");
    belongings.first.push_back(if_unchanged((*view)->grant));
    auto refresh = refresh_of(sealing, **view);
    belongings.grants.push_back({.grant = std::move((*view)->grant), .refresh = std::move(refresh)});
  }
  co_return belongings;
}

Task<Result<people::LeavingListener::Departure>> Leaving::leaving(store::User user, people::Actor actor) {
  const auto id = user.id;
  auto prepared = co_await belongings_of(store_, sealing_, std::move(user));
  if (!prepared) co_return std::unexpected(prepared.error());
  people::LeavingListener::Departure departing{.first = std::move(prepared->first), .gone = {}};
  for (const auto& held : prepared->grants) {
    const auto& grant = held.grant;
    for (const auto& refresh : held.refresh) {
      if (auto put = giving_back_.entry(grant, {.refresh = refresh.clone(), .access = Secret()})) departing.first.push_back(std::move(*put));
    }
    departing.first.push_back(store::AppendAudit{{.at = wall_.now(), .actor = actor.name, .action = "grant.deleted",
                                                .subject = grant.type + (grant.account_name.empty() ? "" : " " + grant.account_name),
                                                .user = grant.user, .source = actor.source}});
  }
  const auto held = std::make_shared<std::vector<Belongings::Held>>(std::move(prepared->grants));
  auto* giving_back = &giving_back_;
  auto* watcher = &watcher_;
  const auto executor = executor_;
  const Requester requester{.actor = actor.name, .user = actor.user, .session_hash = {}, .source = actor.source};
  departing.gone = [held, giving_back, watcher, executor, id, requester, ending = ending_] {
    boost::asio::post(executor, [held, giving_back, watcher, id, requester, ending] {
      for (const auto& each : *held) watcher->grant_changed(each.grant.user, each.grant.id);
      giving_back->nudge();
      if (ending) ending({.user = id}, requester);
    });
  };
  co_return departing;
}

}  // namespace latchkey::grants
