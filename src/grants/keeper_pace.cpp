// A polling time that has become shorter takes effect for grants already waiting for the longer one.
#include <algorithm>

#include "grants/keeper.h"

namespace latchkey::grants {
namespace {

constexpr std::size_t kPage = 500;
constexpr Seconds kSpread{60};  // what is due at once is spread over this, so that no storm comes of it

}  // namespace

std::vector<std::string> Keeper::note_quickened() {
  std::vector<std::string> quickened;
  for (const auto& type : parts_.clients.catalog().types()) {
    const auto now = parts_.polling_time(type->id);
    const auto [known, first] = polling_times_.try_emplace(type->id, now);
    if (!first && now < known->second) quickened.push_back(type->id);
    known->second = now;
  }
  return quickened;
}

Task<void> Keeper::bring_forward(std::vector<std::string> types) {
  GrantId after;
  while (!stopping_) {
    const auto all = parts_.wall.now() + Seconds(1);
    const auto page = co_await parts_.store.aged_grants({.types = types, .refreshed_before = all, .consented_before = {},
                                                         .after = after, .limit = kPage});
    if (!page) {
      parts_.log.error("due_times_not_made_anew", page.error());  // each grant's next refresh does it
      co_return;
    }
    for (const auto& aged : *page) {
      if (!flights_.contains(aged.id)) co_await bring_forward_one(aged.id);
    }
    if (page->size() < kPage) co_return;
    after = page->back().id;
  }
}

Task<void> Keeper::bring_forward_one(GrantId id) {
  auto view = co_await parts_.store.grant(id);
  if (!view || !*view) co_return;
  const auto& grant = (*view)->grant;
  // What failed follows its back-off.
  if (grant.state != store::GrantState::active || grant.failures > 0 || !grant.due_at) co_return;
  const auto type = co_await parts_.clients.type_for(grant.type, grant.app, grant.params_json, grant.extras_json);
  if (!type) co_return;
  const auto now = parts_.wall.now();
  const auto spread = std::chrono::duration_cast<Milliseconds>(kSpread * jitter_of(id, base::to_unix_ms(grant.issued_at)));
  const auto wanted = std::max(due_time(issue_of(grant), rules_for(*type).pace, id), now + spread);
  if (wanted >= *grant.due_at) co_return;
  const auto why = grant.why;
  co_await postpone(std::move(**view), wanted, why);
}

}  // namespace latchkey::grants
