// Due times that are not right any more: a polling time has become shorter; a clock that ran ahead has been set right.
#include <algorithm>

#include "grants/keeper.h"

namespace latchkey::grants {
namespace {

constexpr std::size_t kPage = 500;
constexpr std::chrono::milliseconds kBetweenPages{10};  // a start has better things to do, but no stamp may be caught up with meanwhile
constexpr int kMendAttempts = 5;
constexpr Seconds kMendAgainEvery{10};  // what the store could not take
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
    const auto page = co_await parts_.store.aged_grants(
        {.types = types, .refreshed_before = all, .consented_before = {}, .after = after, .limit = kPage});
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
  const auto wanted = std::max(due_time(issue_of(grant), pace_of(grant, rules_for(*type)), id), now + spread);
  if (wanted >= *grant.due_at) co_return;
  const auto why = grant.why;
  co_await postpone(std::move(**view), wanted, why);
}

// What a clock that ran ahead has stamped, and a start with a better one finds (R24): when such a token ends is not known.
// Left alone it would look good again once the clock has got there. This start's clock may be ahead, too, if by less:
// nothing is reckoned from it.
Task<void> Keeper::mend_stamps() {
  std::vector<Suspect> again;
  GrantId after;
  while (!stopping_) {
    const auto page = co_await parts_.store.grants_after(after, kPage);
    if (!page) {
      parts_.log.error("stamps_not_checked", page.error());
      if (page.error().kind != ErrorKind::unavailable) co_return;  // whoever asks for a token finds out, too
      co_await parts_.steady.sleep_for(kMendAgainEvery);
      continue;
    }
    const auto now = parts_.wall.now();
    for (const auto& grant : *page) {
      // Only what fails, or was refused once, waits longer than its token lasts: maybe for the time of a clock that was ahead.
      const bool backs_off = grant.failures > 0 || grant.dead_seen || grant.state != store::GrantState::active;
      const bool waits_long = backs_off && grant.due_at && *grant.due_at > std::max(now, grant.access_expires_at.value_or(now));
      const bool suspect = is_from_the_future(grant.issued_at, now) || is_from_the_future(grant.created_at, now) || waits_long ||
                           is_due_by_a_clock_ahead(grant, now);
      const Suspect seen{.grant = grant.id, .version = grant.version, .seen_at = now};
      if (suspect && !co_await mend_stamps_of(seen)) again.push_back(seen);
    }
    if (page->size() < kPage) break;
    after = page->back().id;
    co_await parts_.steady.sleep_for(kBetweenPages);
  }
  while (!stopping_ && !again.empty()) {
    co_await parts_.steady.sleep_for(kMendAgainEvery);
    for (const auto& suspect : std::exchange(again, {})) {
      if (!co_await mend_stamps_of(suspect)) again.push_back(suspect);
      co_await parts_.steady.sleep_for(kBetweenPages);
    }
  }
}

Task<bool> Keeper::mend_stamps_of(Suspect suspect) {
  // A conflict: a refresh was faster, and its stamps are right; or what an earlier process left was settled, and they are as
  // they were.
  for (int attempt = 0; attempt < kMendAttempts; ++attempt) {
    const auto mended = co_await try_to_mend_stamps_of(suspect);
    if (mended) co_return true;
    if (mended.error().kind == ErrorKind::conflict) continue;
    parts_.log.error("stamps_not_mended", mended.error());
    co_return mended.error().kind != ErrorKind::unavailable && mended.error().kind != ErrorKind::ambiguous;
  }
  co_return false;
}

Task<Result<void>> Keeper::try_to_mend_stamps_of(Suspect suspect) {
  const auto view = co_await parts_.store.grant(suspect.grant);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) co_return Result<void>{};
  auto grant = (*view)->grant;
  // A clock that has caught up with a stamp since makes it no truer.
  const auto now = grant.version == suspect.version ? std::min(suspect.seen_at, parts_.wall.now()) : parts_.wall.now();
  if (!is_from_the_future(**view, now) && !is_from_the_future(grant.created_at, now) && !is_due_by_a_clock_ahead(grant, now)) {
    co_return Result<void>{};
  }
  store::Batch batch;
  const auto lifetime = lifetime_of(issue_of(grant));
  // No token of this consent was issued before it, so each may have ended by any moment after.
  const auto ended = is_from_the_future(grant.created_at, now) ? WallTime{} : grant.created_at;
  const auto issued = std::max(WallTime{}, ended - lifetime);
  const auto expires = std::min(issued + lifetime, ended);  // by a clock that starts in 1970 not even the first hours are good
  if (is_from_the_future(grant.issued_at, now)) {
    grant.issued_at = issued;
    grant.access_expires_at = expires;
    // Long enough ago that whoever asks for a refresh now gets one, and not what somebody else's has brought a moment before.
    grant.last_refreshed_at = std::min(grant.last_refreshed_at, now - lifetime);
  }
  if (is_from_the_future(grant.created_at, now))
    grant.created_at = now - lifetime;  // whatever came since belongs to this consent
  for (auto generation : (*view)->generations) {
    if (!is_from_the_future(generation.issued_at, now)) continue;
    generation.issued_at = issued;
    generation.access_expires_at = expires;
    batch.push_back(store::PutGeneration{std::move(generation)});
  }
  if (is_kept_fresh(grant.state) && grant.due_at) grant.due_at = ended;  // overdue; the providers' caps spread what is
  batch.push_back(store::UpdateGrant{std::move(grant)});
  co_return co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping);
}

}  // namespace latchkey::grants
