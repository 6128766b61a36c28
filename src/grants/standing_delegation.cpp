#include "grants/standing_delegation.h"

#include <algorithm>

namespace latchkey::grants {
namespace {

std::unexpected<Error> delegation_ended() {
  return fail(ErrorKind::needs_person, "delegation_ended",
              "This connector may no longer use the account it delivers to. Its owner's PIN must be given once more on the "
              "connector's page.");
}

std::unexpected<Error> no_such_grant() {
  return fail(ErrorKind::not_found, "no_such_grant", "The account this connector delivers to is no longer here.");
}

}  // namespace

std::vector<store::Wrap>::const_iterator find_wrap(const std::vector<store::Wrap>& wraps, const store::StandingDelegation& standing) {
  return std::ranges::find_if(wraps, [&](const store::Wrap& wrap) {
    return wrap.holder_kind == store::HolderKind::connector && std::ranges::equal(wrap.holder, standing.id.bytes());
  });
}

const store::Holding::Held* held_grant(const store::Holding& holding, GrantId grant) {
  const auto found = std::ranges::find(holding.grants, grant, [](const store::Holding::Held& held) { return held.view.grant.id; });
  return found == holding.grants.end() ? nullptr : &*found;
}

Task<Result<MadeStanding>> StandingDelegations::make(const Delegation& opened) {
  auto view = co_await parts_.store.grant(opened.grant);
  if (!view) co_return std::unexpected(view.error());
  if (!*view || (*view)->grant.user != opened.user || (*view)->grant.public_key != opened.grant_public_key) co_return no_such_grant();
  auto& grant = (*view)->grant;
  if (const auto checked = parts_.sealing.check(grant); !checked) co_return std::unexpected(checked.error());
  const auto user = co_await parts_.store.user(opened.user);
  if (!user) co_return std::unexpected(user.error());
  if (!*user || !(*user)->enabled || (*user)->auth_epoch != opened.auth_epoch) {
    co_return fail(ErrorKind::refused, "invalid_credentials", "The account's owner has been changed meanwhile. Give the PIN again.");
  }
  const auto now = parts_.wall.now();
  MadeStanding made;
  made.standing = {.id = DelegationId::make(now, parts_.entropy),
                   .grant = grant.id,
                   .public_key = opened.public_key,
                   .private_key_sealed = {},
                   .created_at = now};
  made.standing.private_key_sealed = parts_.sealing.seal_connector_key(made.standing.id, opened.private_key);
  made.batch.emplace_back(store::PutWrap{parts_.sealing.wrap_for_connector(grant, made.standing, opened.grant_private_key, now)});
  made.batch.insert(made.batch.begin(), store::UpdateGrant{std::move(grant)});
  co_return made;
}

Task<Result<Delegation>> StandingDelegations::open(store::Connector connector) {
  auto holding = co_await parts_.store.holding(connector.owner, connector.type);
  if (!holding) co_return std::unexpected(holding.error());
  co_return co_await open_with(std::move(connector), std::move(*holding));
}

Task<Result<Delegation>> StandingDelegations::open_with(store::Connector connector, std::optional<store::Holding> holding) {
  if (const auto sound = parts_.sealing.check(connector); !sound) co_return std::unexpected(sound.error());
  const auto& standing = connector.delegation;
  if (standing.id.none()) co_return delegation_ended();
  const auto* held = holding ? held_grant(*holding, standing.grant) : nullptr;
  if (held == nullptr) {
    // Another owner's, or of another type, or gone.
    const auto elsewhere = co_await parts_.store.grant(standing.grant);
    if (!elsewhere) co_return std::unexpected(elsewhere.error());
    if (*elsewhere) co_return delegation_ended();
    co_return no_such_grant();
  }
  const auto& grant = held->view.grant;
  if (const auto checked = parts_.sealing.check(grant); !checked) co_return std::unexpected(checked.error());
  if (!holding->user.enabled) {
    co_return fail(ErrorKind::needs_person, "delegation_ended",
                   "The owner of the account this connector delivers to is switched off. An administrator can switch them on.");
  }
  const auto own = find_wrap(held->wraps, standing);
  if (own == held->wraps.end()) co_return delegation_ended();
  auto grant_key = parts_.sealing.unwrap_for_connector(grant, standing, *own);
  if (!grant_key) co_return std::unexpected(grant_key.error());
  auto pair = parts_.vault.make_key_pair();
  co_return Delegation{.user = grant.user,
                       .auth_epoch = std::nullopt,
                       .standing = standing,
                       .grant = grant.id,
                       .type = grant.type,
                       .grant_public_key = grant.public_key,
                       .grant_private_key = std::move(*grant_key),
                       .public_key = Bytes(pair.public_key.begin(), pair.public_key.end()),
                       .private_key = std::move(pair.private_key)};
}

Task<Result<bool>> StandingDelegations::lives(store::StandingDelegation standing) {
  if (standing.id.none()) co_return false;
  const auto wraps = co_await parts_.store.wraps(standing.grant);
  if (!wraps) co_return std::unexpected(wraps.error());
  co_return find_wrap(*wraps, standing) != wraps->end();
}

Task<Result<void>> add_end_of_standing(store::Store& store, store::Batch& batch, store::StandingDelegation standing) {
  if (standing.id.none()) co_return Result<void>{};
  const auto wraps = co_await store.wraps(standing.grant);
  if (!wraps) co_return std::unexpected(wraps.error());
  const auto own = find_wrap(*wraps, standing);
  if (own == wraps->end()) co_return Result<void>{};
  auto view = co_await store.grant(standing.grant);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) co_return Result<void>{};
  batch.emplace_back(store::UpdateGrant{std::move((*view)->grant)});
  batch.emplace_back(store::DeleteWrap{standing.grant, own->holder_kind, own->holder});
  co_return Result<void>{};
}

}  // namespace latchkey::grants
