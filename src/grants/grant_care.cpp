#include "grants/grant_care.h"

#include "grants/identity.h"
#include "grants/leaving.h"

namespace latchkey::grants {
namespace {

constexpr int kRaces = 20;

std::unexpected<Error> gone() { return fail(ErrorKind::not_found, "no_such_grant", "This grant does not exist any more."); }

std::string subject_of(const store::Grant& grant) { return grant.type + (grant.account_name.empty() ? "" : " " + grant.account_name); }

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
    if (enabled == (record.state != store::GrantState::disabled)) co_return record;
    record.state = enabled ? store::GrantState::active : store::GrantState::disabled;
    record.why = enabled ? "" : "Switched off by " + requester.actor + ".";
    record.due_at = enabled ? std::optional(wall_.now()) : std::nullopt;
    sealing_.vouch(record);
    store::Batch batch;
    batch.push_back(store::UpdateGrant{record});
    batch.push_back(store::AppendAudit{{.at = wall_.now(), .actor = requester.actor, .action = enabled ? "grant.enabled" : "grant.disabled",
                                        .subject = subject_of(record), .user = record.user, .source = requester.source}});
    if (const auto done = co_await store_.commit(std::move(batch)); !done) {
      // A refresh was committed in between: decide again on what it left.
      if (done.error().kind == ErrorKind::conflict && attempt < kRaces) continue;
      co_return std::unexpected(done.error());
    }
    watcher_.grant_changed(record.user, record.id);
    keeper_.nudge();
    record.version += 1;
    co_return record;
  }
}

Task<Result<void>> GrantCare::remove(GrantId grant, Requester requester) {
  for (int attempt = 0;; ++attempt) {
    auto view = co_await store_.grant(grant);
    if (!view) co_return std::unexpected(view.error());
    if (!*view) co_return gone();
    const auto& record = (*view)->grant;
    auto material = refresh_of(sealing_, **view);
    store::Batch batch;
    batch.push_back(if_unchanged(record));
    batch.push_back(store::DeleteGrant{grant});
    batch.push_back(store::AppendAudit{{.at = wall_.now(), .actor = requester.actor, .action = "grant.deleted", .subject = subject_of(record),
                                        .user = record.user, .source = requester.source}});
    auto done = co_await store_.commit(std::move(batch));
    // Refreshed in between: what is given back must be the newest token.
    if (!done && done.error().kind == ErrorKind::conflict && attempt < kRaces) continue;
    if (!done) co_return done;
    watcher_.grant_changed(record.user, grant);
    if (material) giving_back_.later((*view)->grant, std::move(*material));
    co_return done;
  }
}

}  // namespace latchkey::grants
