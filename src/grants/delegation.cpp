#include "grants/delegation.h"

#include <algorithm>

#include "base/run_on.h"
#include "grants/lifecycle.h"
#include "grants/standing_delegation.h"

namespace latchkey::grants {
namespace {

std::vector<store::Wrap>::const_iterator wrap_of(const std::vector<store::Wrap>& wraps, const DeliveryId& id) {
  return std::ranges::find_if(wraps, [&](const store::Wrap& wrap) {
    return wrap.holder_kind == store::HolderKind::delivery && std::ranges::equal(wrap.holder, id.bytes());
  });
}

constexpr Seconds kMinValid{60};

std::unexpected<Error> authorization_needed() {
  return fail(ErrorKind::needs_person, "authorization_needed",
              "The account must be authorised again; then the document goes by itself.");
}

std::unexpected<Error> no_such_grant() {
  return fail(ErrorKind::not_found, "no_such_grant",
              "This user has no authorised account for this connector. Authorise one first.");
}

std::unexpected<Error> invalid_credentials() {
  return fail(ErrorKind::refused, "invalid_credentials", "Username or PIN is wrong.");
}

}  // namespace

Task<Result<Delegation>> Delegations::delegate(Caller caller, std::string type) {
  const auto holding = co_await parts_.store.holding(caller.user, type);
  if (!holding) co_return std::unexpected(holding.error());
  if (!*holding || (*holding)->grants.empty()) co_return no_such_grant();
  const auto& held = (*holding)->grants.front();
  const auto& grant = held.view.grant;
  if (const auto checked = parts_.sealing.check(grant); !checked) co_return std::unexpected(checked.error());
  const auto user_key = parts_.hot.find(caller.user, caller.auth_epoch, caller.pin);
  const auto own = std::ranges::find(held.wraps, store::HolderKind::user, &store::Wrap::holder_kind);
  if (!user_key || own == held.wraps.end()) co_return invalid_credentials();
  auto grant_key = parts_.sealing.unwrap_for_user(grant, (*holding)->user.public_key, *user_key, *own);
  if (!grant_key) co_return std::unexpected(grant_key.error());
  auto pair = parts_.vault.make_key_pair();
  co_return Delegation{.user = caller.user,
                       .auth_epoch = caller.auth_epoch,
                       .grant = grant.id,
                       .type = grant.type,
                       .grant_public_key = grant.public_key,
                       .grant_private_key = std::move(*grant_key),
                       .public_key = Bytes(pair.public_key.begin(), pair.public_key.end()),
                       .private_key = std::move(pair.private_key)};
}

// Whoever, or whatever, opened the grant may still do so.
Result<void> Delegations::still_good(const Delegation& delegation, const store::Holding* holding) {
  const bool enabled = holding != nullptr && holding->user.enabled;
  if (delegation.auth_epoch) {
    if (!enabled || holding->user.auth_epoch != *delegation.auth_epoch) return invalid_credentials();
    return {};
  }
  const auto* held = enabled ? held_grant(*holding, delegation.grant) : nullptr;
  if (held != nullptr && find_wrap(held->wraps, delegation.standing) != held->wraps.end()) return {};
  return fail(ErrorKind::needs_person, "delegation_ended",
              "This connector may no longer use the account it delivers to. Ask the account's owner.");
}

Task<Result<SealedDelegation>> Delegations::seal(const Delegation& delegation, DeliveryId delivery) {
  // All as of one moment.
  const auto holding = co_await parts_.store.holding(delegation.user, delegation.type);
  if (!holding) co_return std::unexpected(holding.error());
  co_return seal_with(delegation, delivery, *holding);
}

Result<SealedDelegation> Delegations::seal_with(const Delegation& delegation, DeliveryId delivery, const std::optional<store::Holding>& holding) const {
  const auto* all = holding ? &*holding : nullptr;
  if (const auto good = still_good(delegation, all); !good) return std::unexpected(good.error());
  const auto* held = held_grant(*all, delegation.grant);
  if (held == nullptr) return no_such_grant();
  const auto& grant = held->view.grant;
  if (const auto checked = parts_.sealing.check(grant); !checked) return std::unexpected(checked.error());
  vault::PublicKey key;
  if (grant.user != delegation.user || grant.public_key != delegation.grant_public_key ||
      delegation.public_key.size() != key.size()) {
    return no_such_grant();
  }
  std::ranges::copy(delegation.public_key, key.begin());
  SealedDelegation sealed{.private_key_sealed = parts_.sealing.seal_delivery_key(delivery, delegation.private_key),
                          .batch = {}};
  sealed.batch.emplace_back(store::UpdateGrant{grant});
  sealed.batch.emplace_back(store::PutWrap{
      parts_.sealing.wrap_for_delivery(grant, delivery, key, delegation.grant_private_key, parts_.wall.now())});
  return sealed;
}

Task<Result<DeliveryToken>> Delegations::token(store::Delivery delivery, Seconds min_valid) {
  auto view = co_await base::run_on(parts_.engine, parts_.keeper.fresh(delivery.grant, min_valid));
  if (!view) co_return std::unexpected(view.error());
  co_return co_await opened(std::move(delivery), std::move(*view));
}

Task<Result<DeliveryToken>> Delegations::token_after(store::Delivery delivery, store::GenerationNumber refused) {
  auto view = co_await parts_.store.grant(delivery.grant);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "The account is no longer here.");
  const auto* generation = usable_generation(**view, parts_.wall.now());
  if (generation != nullptr && generation->number > refused)
    co_return co_await opened(std::move(delivery), std::move(**view));
  // Whose new token was refused as well would refuse the next one, too.
  if (!renewals_.take(delivery.grant, parts_.wall.now())) {
    co_return fail(ErrorKind::needs_person, "token_refused",
                   "The service refuses the account's access token although it is new. Is the account meant for this service?");
  }
  const auto refreshed = co_await base::run_on(parts_.engine, parts_.keeper.refresh_now(delivery.grant));
  if (!refreshed) co_return std::unexpected(refreshed.error());
  co_return co_await token(std::move(delivery), kMinValid);
}

Task<Result<DeliveryToken>> Delegations::opened(store::Delivery delivery, store::GrantView view) {
  const auto& grant = view.grant;
  if (const auto checked = parts_.sealing.check(grant); !checked) co_return std::unexpected(checked.error());
  const auto* generation = usable_generation(view, parts_.wall.now());
  if (generation == nullptr || store::is_locked(grant.state)) co_return authorization_needed();
  const auto wraps = co_await parts_.store.wraps(grant.id);
  if (!wraps) co_return std::unexpected(wraps.error());
  const auto own = wrap_of(*wraps, delivery.id);
  if (own == wraps->end() || delivery.private_key_sealed.empty()) {
    co_return fail(ErrorKind::needs_person, "delegation_ended",
                   "This document may no longer use the account. Send it again from the device.");
  }
  const auto grant_key = parts_.sealing.unwrap_for_delivery(grant, delivery, *own);
  if (!grant_key) co_return std::unexpected(grant_key.error());
  auto token = parts_.sealing.open_access(grant, *generation, *grant_key);
  if (!token) co_return std::unexpected(token.error());
  co_return DeliveryToken{.access_token = std::move(*token), .generation = generation->number};
}

Task<Result<DeliveryToken>> Delegations::token(const Delegation& delegation, Seconds min_valid) {
  const auto view = co_await base::run_on(parts_.engine, parts_.keeper.fresh(delegation.grant, min_valid));
  if (!view) co_return std::unexpected(view.error());
  const auto& grant = view->grant;
  if (const auto checked = parts_.sealing.check(grant); !checked) co_return std::unexpected(checked.error());
  if (grant.public_key != delegation.grant_public_key) co_return no_such_grant();
  const auto* generation = usable_generation(*view, parts_.wall.now());
  if (generation == nullptr || store::is_locked(grant.state)) co_return authorization_needed();
  auto token = parts_.sealing.open_access(grant, *generation, delegation.grant_private_key);
  if (!token) co_return std::unexpected(token.error());
  co_return DeliveryToken{.access_token = std::move(*token), .generation = generation->number};
}

store::Mutation end_of_delegation(const store::Delivery& delivery) {
  const auto holder = delivery.id.bytes();
  return store::DeleteWrap{delivery.grant, store::HolderKind::delivery, Bytes(holder.begin(), holder.end())};
}

Task<Result<void>> add_end_of_delegation(store::Store& store, store::Batch& batch, store::Delivery delivery) {
  auto wraps = co_await store.wraps(delivery.grant);
  if (!wraps) co_return std::unexpected(wraps.error());
  const auto own = wrap_of(*wraps, delivery.id);
  if (own != wraps->end()) batch.push_back(store::DeleteWrap{delivery.grant, own->holder_kind, own->holder});
  co_return Result<void>{};
}

}  // namespace latchkey::grants
