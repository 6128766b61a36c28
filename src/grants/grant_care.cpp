#include "grants/grant_care.h"

#include "grants/grant_events.h"
#include "grants/identity.h"
#include "grants/leaving.h"
#include "grants/revocation_prospect.h"

namespace latchkey::grants {
namespace {

constexpr int kRaces = 20;
constexpr std::size_t kRevokedTogether = 25;

std::unexpected<Error> gone() { return fail(ErrorKind::not_found, "no_such_grant", "This grant does not exist any more."); }

std::string subject_of(const store::Grant& grant) { return grant.type + (grant.account_name.empty() ? "" : " " + grant.account_name); }

std::string revoked_by(const Requester& requester) { return "Revoked by " + requester.actor + ". Authorise it again to use it."; }

// The refresh's new access token, looked at before it is sealed: a real call as the account, without anybody's PIN.
struct Look {
  std::shared_ptr<std::optional<Result<std::optional<catalog::Account>>>> answer =
      std::make_shared<std::optional<Result<std::optional<catalog::Account>>>>();
};

Task<void> look_at(net::HttpTransport& transport, std::shared_ptr<ProviderClient> client, Secret token, Look look) {
  *look.answer = co_await ask_account(transport, *client, std::move(token));
}

}  // namespace

Task<Result<store::Grant>> GrantCare::refresh(GrantId grant, Requester) { return keeper_.refresh_now(grant); }

Task<Result<CheckResult>> GrantCare::check(GrantId grant, Requester requester) {
  const auto view = co_await store_.grant(grant);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) co_return gone();
  const auto record = (*view)->grant;
  auto client = co_await clients_.client_for(record.type, record.app, record.params_json, record.extras_json);
  if (!client) co_return std::unexpected(client.error());
  const auto shared = std::make_shared<ProviderClient>(std::move(*client));
  Look look;
  auto* transport = &transport_;
  const auto with_token = [transport, shared, look](const Secret& token) { return look_at(*transport, shared, token.clone(), look); };
  const auto refreshed = co_await keeper_.refresh_now(grant, with_token);
  if (!refreshed) co_return std::unexpected(refreshed.error());
  CheckResult result{.account_id = record.account_id, .account_name = record.account_name, .words = {}};
  if (look.answer->has_value()) {
    const auto& answer = **look.answer;
    if (!answer) co_return std::unexpected(answer.error());
    if (*answer) result = {.account_id = (*answer)->id, .account_name = (*answer)->name, .words = {}};
    result.words = *answer ? "A new token was fetched and the provider answered as " + result.account_name + "."
                           : "A new token was fetched; the provider offers no look at the account.";
  } else if (refreshed->generation > record.generation) {
    result.words = "A new token was fetched.";
  } else if (refreshed->state == store::GrantState::active) {
    result.words = "The token in use is good; this provider accepts a new one only shortly before it ends.";
  } else {
    co_return fail(ErrorKind::unavailable, "check_failed", refreshed->why.empty() ? "The provider did not give a new token." : refreshed->why);
  }
  store::Batch batch;
  batch.push_back(deed(*refreshed, store::GrantEventKind::checked, wall_.now(), requester.actor, result.words));
  batch.push_back(store::AppendAudit{{.at = wall_.now(), .actor = requester.actor, .action = "grant.checked", .subject = subject_of(record),
                                      .user = record.user, .source = requester.source, .detail = result.words}});
  if (const auto noted = co_await store_.commit(std::move(batch), store::Urgency::bookkeeping); !noted) log_.error("audit_not_written", noted.error());
  co_return result;
}

Task<Result<store::Grant>> GrantCare::set_enabled(GrantId grant, bool enabled, Requester requester) {
  for (int attempt = 0;; ++attempt) {
    const auto view = co_await store_.grant(grant);
    if (!view) co_return std::unexpected(view.error());
    if (!*view) co_return gone();
    auto record = (*view)->grant;
    if (const auto checked = sealing_.check(record); !checked) co_return std::unexpected(checked.error());
    if (record.state == store::GrantState::revoked) {
      if (!enabled) co_return record;
      co_return fail(ErrorKind::conflict, "authorization_needed", "This grant was revoked; authorise it again to use it.");
    }
    if (enabled == (record.state != store::GrantState::disabled)) {
      if (!enabled) co_await end_attempts({.grant = record.id}, requester);  // an earlier try may not have come so far
      co_return record;
    }
    const auto user = co_await store_.user(record.user);
    if (!user) co_return std::unexpected(user.error());
    record.state = enabled ? store::GrantState::active : store::GrantState::disabled;
    record.why = enabled ? "" : "Switched off by " + requester.actor + ".";
    record.due_at = enabled ? std::optional(wall_.now()) : std::nullopt;
    sealing_.vouch(record);
    store::Batch batch;
    batch.push_back(store::UpdateGrant{record});
    if (enabled && *user) batch.push_back(store::UpdateUser{**user});  // as it was: whoever switches it off or on at this moment looks again
    if (!enabled || (*user && !(*user)->enabled)) {
      giving_back_.add_switched_off(batch, record);
    } else {
      batch.push_back(store::DeleteRevocationOfSwitchedOff{record.id});
    }
    batch.push_back(deed(record, enabled ? store::GrantEventKind::enabled : store::GrantEventKind::disabled, wall_.now(), requester.actor, {}));
    batch.push_back(store::AppendAudit{{.at = wall_.now(), .actor = requester.actor, .action = enabled ? "grant.enabled" : "grant.disabled",
                                        .subject = subject_of(record), .user = record.user, .source = requester.source}});
    if (const auto done = co_await store_.commit(std::move(batch)); !done) {
      // A refresh was committed in between: decide again on what it left.
      if (done.error().kind == ErrorKind::conflict && attempt < kRaces) continue;
      if (!enabled && done.error().kind == ErrorKind::ambiguous) co_await end_attempts({.grant = record.id}, requester);
      co_return std::unexpected(done.error());
    }
    watcher_.grant_changed(record.user, record.id);
    keeper_.nudge();
    giving_back_.nudge();
    if (!enabled) co_await end_attempts({.grant = record.id}, requester);
    record.version += 1;
    co_return record;
  }
}

Task<void> GrantCare::end_attempts(OpenAttempts which, Requester requester) {
  if (!ending_) co_return;
  if (const auto ended = co_await ending_(std::move(which), std::move(requester)); !ended) log_.error("attempts_not_ended", ended.error());
}

Task<Result<void>> GrantCare::remove(GrantId grant, Requester requester) {
  for (int attempt = 0;; ++attempt) {
    auto view = co_await store_.grant(grant);
    if (!view) co_return std::unexpected(view.error());
    if (!*view) co_return gone();
    const auto& record = (*view)->grant;
    store::Batch batch;
    batch.push_back(if_unchanged(record));
    batch.push_back(store::DeleteGrant{grant});
    for (auto& refresh : refresh_of(sealing_, **view)) {
      if (auto put = giving_back_.entry(record, {.refresh = std::move(refresh), .access = Secret()})) batch.push_back(std::move(*put));
    }
    batch.push_back(store::AppendAudit{{.at = wall_.now(), .actor = requester.actor, .action = "grant.deleted", .subject = subject_of(record),
                                        .user = record.user, .source = requester.source}});
    auto done = co_await store_.commit(std::move(batch));
    // Refreshed in between: what is given back must be the newest token.
    if (!done && done.error().kind == ErrorKind::conflict && attempt < kRaces) continue;
    if (!done) co_return done;
    watcher_.grant_changed(record.user, grant);
    giving_back_.nudge();
    co_await end_attempts({.grant = grant}, requester);
    co_return done;
  }
}

Task<Result<void>> GrantCare::revoke(GrantId grant, Requester requester) {
  for (int attempt = 0;; ++attempt) {
    const auto view = co_await store_.grant(grant);
    if (!view) co_return std::unexpected(view.error());
    if (!*view || (*view)->grant.state == store::GrantState::revoked) co_return Result<void>{};
    store::Batch batch;
    giving_back_.add_revoked(batch, **view, revoked_by(requester), requester.actor, requester.source);
    auto done = co_await store_.commit(std::move(batch));
    if (!done && done.error().kind == ErrorKind::conflict && attempt < kRaces) continue;  // a refresh was committed in between
    if (!done) co_return done;
    watcher_.grant_changed((*view)->grant.user, grant);
    co_return Result<void>{};
  }
}

// Many share one commit; where a refresh was committed in between, each goes by itself.
Task<Result<void>> GrantCare::revoke_together(std::vector<GrantId> grants, Requester requester) {
  store::Batch batch;
  std::vector<store::Grant> revoked;
  for (const auto& id : grants) {
    const auto view = co_await store_.grant(id);
    if (!view) co_return std::unexpected(view.error());
    if (!*view || (*view)->grant.state == store::GrantState::revoked) continue;
    giving_back_.add_revoked(batch, **view, revoked_by(requester), requester.actor, requester.source);
    revoked.push_back((*view)->grant);
  }
  if (revoked.empty()) co_return Result<void>{};
  auto done = co_await store_.commit(std::move(batch));
  if (done) {
    for (const auto& grant : revoked) watcher_.grant_changed(grant.user, grant.id);
    co_return done;
  }
  if (done.error().kind != ErrorKind::conflict) co_return done;
  for (const auto& grant : revoked) {
    if (auto alone = co_await revoke(grant.id, requester); !alone) co_return alone;
  }
  co_return Result<void>{};
}

Task<Result<void>> GrantCare::check_scope(RevokeScope scope) {
  if (!scope.app.empty()) {
    const auto known = co_await store_.app(scope.app);
    if (!known) co_return std::unexpected(known.error());
    if (!*known) co_return fail(ErrorKind::not_found, "no_such_app", "There is no app named " + scope.app + ".", {.field = "app"});
  }
  if (!scope.type.empty() && !clients_.catalog().find_type(scope.type)) {
    co_return fail(ErrorKind::invalid, "no_such_type", "There is no type named " + scope.type + ".", {.field = "type"});
  }
  co_return Result<void>{};
}

Task<Result<RevokedPage>> GrantCare::revoke_page(RevokeScope scope, GrantId after, std::size_t limit, OnRevoke how, Requester requester) {
  if (const auto named = co_await check_scope(scope); !named) co_return std::unexpected(named.error());
  auto grants = co_await store_.grants_after(after, limit);
  if (!grants) co_return std::unexpected(grants.error());
  RevokedPage page{.grants = 0, .by_type = {}, .by_hand = {}, .perhaps = {}, .last = grants->empty() ? after : grants->back().id,
                   .more = grants->size() == limit};
  std::erase_if(*grants, [&scope](const store::Grant& grant) {
    return grant.state == store::GrantState::revoked || (!scope.app.empty() && grant.app != scope.app) ||
           (!scope.type.empty() && grant.type != scope.type);
  });
  page.grants = static_cast<std::int64_t>(grants->size());
  for (const auto& grant : *grants) {
    page.by_type[grant.type] += 1;
    const auto prospect = revocation_prospect(clients_.catalog(), grant);
    // Where all grants of the app go, no other account is left whose an unnamed one might be.
    const bool apps_go_whole = scope.type.empty();
    const auto chance = apps_go_whole ? revocable(clients_.catalog(), grant.type) : prospect.revocable;
    if (chance == Revocable::no) page.by_hand[prospect.provider] += 1;
    else if (chance == Revocable::perhaps) page.perhaps[prospect.provider] += 1;
  }
  if (how == OnRevoke::only_count) co_return page;
  // With every page: what is approved while others are revoked could renew one whose page is over.
  if (ending_) {
    if (auto ended = co_await ending_({.revoked = scope}, requester); !ended) co_return std::unexpected(ended.error());
  }
  for (std::size_t at = 0; at < grants->size(); at += kRevokedTogether) {
    std::vector<GrantId> some;
    for (std::size_t i = at; i < std::min(at + kRevokedTogether, grants->size()); ++i) some.push_back((*grants)[i].id);
    if (auto done = co_await revoke_together(std::move(some), requester); !done) co_return std::unexpected(done.error());
    giving_back_.nudge();
  }
  co_return page;
}

}  // namespace latchkey::grants
