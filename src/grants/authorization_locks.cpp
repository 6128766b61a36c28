// Authorising, and what is switched off or revoked meanwhile: the attempts that are open end with it.
#include <algorithm>
#include <utility>

#include "grants/attempt_locks.h"
#include "grants/authorization_desk.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;

constexpr std::size_t kReadTogether = 200;
constexpr int kRaces = 20;

bool waits(const store::Authorization& row) { return row.state == AuthorizationState::needs_confirmation || row.state == AuthorizationState::held; }
bool is_open(const store::Authorization& row) { return waits(row) || row.state == AuthorizationState::pending; }

}  // namespace

Task<Result<void>> AuthorizationDesk::end_open(OpenAttempts which, Requester requester) {
  std::vector<Ending> these;
  these.push_back({.which = std::move(which), .requester = std::move(requester)});
  co_return co_await end_all(std::move(these));
}

Task<Result<void>> AuthorizationDesk::end_all(std::vector<Ending> these) {
  AuthorizationId after;
  for (bool more = true; more;) {
    auto page = co_await parts_.store.authorizations_after(after, kReadTogether);
    if (!page) co_return std::unexpected(page.error());
    more = page->size() == kReadTogether;
    if (!page->empty()) after = page->back().id;
    for (auto& row : *page) {
      if (const auto done = co_await end_if_open(std::move(row), these); !done) co_return done;
    }
  }
  co_return Result<void>{};
}

// `these` outlive it.
Task<Result<void>> AuthorizationDesk::end_if_open(store::Authorization row, const std::vector<Ending>& these) {
  for (int race = 0; is_open(row) && race < kRaces; ++race) {
    const auto id = row.id;
    const bool waited = waits(row);
    auto flow = open(std::move(row));
    if (!flow) co_return Result<void>{};  // nothing is ever made of it
    const auto end = std::ranges::find_if(these, [&](const Ending& each) { return each.which.contain(flow->record); });
    if (end == these.end()) co_return Result<void>{};
    flow->record.actor = end->requester.actor;
    flow->record.source = end->requester.source;
    const bool ended = co_await end_unwanted(std::move(*flow), AuthorizationState::cancelled, end->which.code(), end->which.text(),
                                             waited ? "authorization.rejected" : "authorization.cancelled");
    if (ended) co_return Result<void>{};
    // A browser has gone on with it in this moment, perhaps.
    auto again = co_await parts_.store.authorization(id);
    if (!again) co_return std::unexpected(again.error());
    if (!*again) co_return Result<void>{};
    row = std::move(**again);
  }
  co_return Result<void>{};
}

void AuthorizationDesk::end_open_later(OpenAttempts which, Requester requester) {
  // However many users are switched off at once, what is open is read once or twice.
  to_end_.push_back({.which = std::move(which), .requester = std::move(requester)});
  if (!ending_) ending_ = exchanges_.spawn("attempts_ended", end_later());
}

Task<void> AuthorizationDesk::end_later() {
  while (!to_end_.empty()) {
    auto these = std::exchange(to_end_, {});
    if (const auto done = co_await end_all(std::move(these)); !done) parts_.log.error("attempts_not_ended", done.error());
  }
  ending_ = false;
}

Task<Result<void>> AuthorizationDesk::check_unlocked_now(const FlowRecord& record) {
  if (record.kind == FlowKind::new_user) {
    if (!record.new_group.empty()) co_return Result<void>{};  // it is made with the user, or has been made meanwhile
    const auto group = co_await parts_.store.group(record.user.group);
    if (!group) co_return std::unexpected(group.error());
    if (!*group) co_return fail(ErrorKind::not_found, "no_such_group", "The group was deleted meanwhile.");
    co_return Result<void>{};
  }
  const auto user = co_await parts_.store.user(record.user.id);
  if (!user) co_return std::unexpected(user.error());
  if (!*user) co_return fail(ErrorKind::not_found, "no_such_user", "The user was deleted meanwhile.");
  if (const auto unlocked = check_unlocked(**user); !unlocked) co_return unlocked;
  if (record.kind != FlowKind::replaced_grant) co_return Result<void>{};
  const auto view = co_await parts_.store.grant(record.grant.id);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "The grant was deleted meanwhile.");
  co_return check_unlocked(record, (*view)->grant);
}

}  // namespace latchkey::grants
