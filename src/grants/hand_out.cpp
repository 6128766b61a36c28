#include "grants/hand_out.h"

#include <algorithm>

#include "base/run_on.h"

namespace latchkey::grants {
namespace {

std::optional<Seconds> seconds_left(const std::optional<WallTime>& expires_at, WallTime now) {
  if (!expires_at) return std::nullopt;
  return std::max(Seconds(0), std::chrono::floor<Seconds>(*expires_at - now));
}

Handout handout_of(const Card& card, Secret token, WallTime now) {
  return {.access_token = std::move(token), .expires_in = seconds_left(card.expires_at, now), .text = card.text};
}

std::unexpected<Error> wrong_credentials() {
  return fail(ErrorKind::refused, "invalid_credentials", "Username or PIN is wrong.");
}

// Of the grants held, the one of that type; the only one where none is named.
Result<const store::Holding::Held*> choose(const std::optional<store::Holding>& holding, const std::string& type) {
  if (!holding) return wrong_credentials();
  const auto& grants = holding->grants;
  if (type.empty() && grants.size() > 1) {
    std::string held;
    for (const auto& each : grants) held += (held.empty() ? "" : ", ") + each.view.grant.type;
    return fail(ErrorKind::invalid, "type_required", "This user holds several types; name one as `type`: " + held + ".", {.field = "type"});
  }
  if (!grants.empty()) return &grants.front();
  return fail(ErrorKind::not_found, "no_such_grant",
              type.empty() ? "This user has no authorised account yet." : "This user has no authorised account of that type.");
}

// What is learned of hosts is the API client's business too; the marker of its origin is not.
std::string public_extras(std::string_view extras_json) {
  const auto parsed = parse_json(extras_json);
  if (!parsed || !parsed->is_object()) return "{}";
  auto object = parsed->get_object();
  const auto learned = learned_of(extras_json);
  object.erase(kLearnedMember);
  for (const auto& [name, value] : learned) object[name] = value;
  return boost::json::serialize(object);
}

Card card_of(const store::Grant& grant, const store::Generation& generation) {
  HandoutText text{.scope = grant.scopes, .type = grant.type, .account_id = grant.account_id, .account_name = grant.account_name,
                   .extras_json = public_extras(grant.extras_json)};
  return {.grant = grant.id, .generation = generation.number, .issued_at = generation.issued_at,
          .expires_at = generation.access_expires_at, .text = std::make_shared<const HandoutText>(std::move(text))};
}

}  // namespace

// ---- cards ---------------------------------------------------------------------------------------------------------

std::uint64_t Cards::reading(UserId user) const {
  auto& home = shard(user);
  const std::lock_guard lock(home.mutex);
  return home.forgotten[count_of(user)];
}

void Cards::file(UserId user, std::uint64_t reading, Card card) {
  auto& home = shard(user);
  const std::lock_guard lock(home.mutex);
  if (home.forgotten[count_of(user)] != reading) return;
  if (home.users.size() >= per_shard_max_ && !home.users.contains(user)) home.users.erase(home.users.begin());
  auto& held = home.users[user];
  std::erase_if(held.cards, [&](const Card& old) { return old.asked == card.asked; });
  held.cards.push_back(std::move(card));
}

std::optional<Card> Cards::find(UserId user, std::string_view asked, SteadyTime now) const {
  auto& home = shard(user);
  const std::lock_guard lock(home.mutex);
  const auto held = home.users.find(user);
  if (held == home.users.end()) return std::nullopt;
  for (const auto& card : held->second.cards) {
    if (card.asked != asked) continue;
    if (lifetime_ && now >= card.read_at + *lifetime_) return std::nullopt;
    return card;
  }
  return std::nullopt;
}

void Cards::grant_changed(UserId user, GrantId) {
  auto& home = shard(user);
  const std::lock_guard lock(home.mutex);
  home.forgotten[count_of(user)] += 1;
  home.users.erase(user);
}

// ---- the desk ------------------------------------------------------------------------------------------------------

std::optional<Handout> TokenDeskOfVault::hand_out_hot(const Caller& caller, const TokenWish& wish) {
  const auto card = cards_.find(caller.user, wish.type, steady_.now());
  if (!card) return std::nullopt;
  const auto now = wall_.now();
  if (is_from_the_future(card->issued_at, now)) return std::nullopt;
  if (card->expires_at) {
    const auto asked = std::min<Milliseconds>(wish.min_valid, lifetime_of({card->issued_at, card->expires_at}) / 2);
    if (*card->expires_at <= now + asked) return std::nullopt;
  }
  auto token = hot_.find_token(caller.user, caller.auth_epoch, caller.pin, card->grant, card->generation);
  if (!token) return std::nullopt;
  ledger_.handed_out(caller.user, card->grant);
  counters_.handouts.fetch_add(1, std::memory_order_relaxed);
  counters_.handouts_hot.fetch_add(1, std::memory_order_relaxed);
  auto handout = handout_of(*card, std::move(*token), now);
  return handout;
}

Result<Handout> TokenDeskOfVault::handed_out(const Caller& caller, const Secret& user_key, const store::Holding& holding,
                                             const store::Holding::Held& held, const TokenWish& wish, Reading reading) {
  const auto& grant = held.view.grant;
  if (const auto checked = sealing_.check(grant); !checked) return std::unexpected(checked.error());
  const auto now = wall_.now();
  const auto* generation = usable_generation(held.view, now);
  if (generation == nullptr || store::is_locked(grant.state)) {
    return fail(ErrorKind::needs_person, "authorization_needed", "The account must be authorised again in the console.");
  }
  const auto holder = caller.user.bytes();
  const auto wrap = std::ranges::find_if(held.wraps, [&](const store::Wrap& candidate) {
    return candidate.holder_kind == store::HolderKind::user && std::ranges::equal(candidate.holder, holder);
  });
  // A refresh may have taken a while: whoever was disabled or given another PIN meanwhile gets nothing (P4).
  if (!holding.user.enabled || holding.user.auth_epoch != caller.auth_epoch || wrap == held.wraps.end()) return wrong_credentials();
  auto grant_key = sealing_.unwrap_for_user(grant, holding.user.public_key, user_key, *wrap);
  if (!grant_key) return std::unexpected(grant_key.error());
  auto token = sealing_.open_access(grant, *generation, *grant_key);
  if (!token) return std::unexpected(token.error());
  hot_.put_token(caller.user, caller.auth_epoch, caller.pin, grant.id, generation->number, *token);
  auto card = card_of(grant, *generation);
  auto handout = handout_of(card, std::move(*token), now);
  ledger_.handed_out(caller.user, grant.id);
  counters_.handouts.fetch_add(1, std::memory_order_relaxed);
  card.asked = wish.type;
  card.read_at = reading.at;
  cards_.file(caller.user, reading.forgotten, std::move(card));
  return handout;
}

Task<Result<Handout>> TokenDeskOfVault::hand_out(Caller caller, TokenWish wish) {
  const Reading reading{.forgotten = cards_.reading(caller.user), .at = steady_.now()};
  auto holding = co_await store_.holding(caller.user, wish.type);
  if (!holding) co_return std::unexpected(holding.error());
  auto chosen = choose(*holding, wish.type);
  if (!chosen) co_return std::unexpected(chosen.error());
  const auto& grant = (*chosen)->view.grant;
  if (const auto checked = sealing_.check(grant); !checked) co_return std::unexpected(checked.error());
  if (store::is_locked(grant.state)) {
    co_return fail(ErrorKind::needs_person, "authorization_needed",
                   "This grant is not in use at the moment; the console says why and what to do.");
  }
  // Taken before a refresh is waited for: by then the cache may have made room for others.
  const auto user_key = hot_.find(caller.user, caller.auth_epoch, caller.pin);
  if (!user_key) co_return wrong_credentials();
  // Past the engine, which may be busy with others' refreshes, where the token in the store will do.
  if (keeper_.is_fresh((*chosen)->view, wish.min_valid)) co_return handed_out(caller, *user_key, **holding, **chosen, wish, reading);
  const auto fresh = co_await base::run_on(engine_, keeper_.fresh(grant.id, wish.min_valid));
  if (!fresh) co_return std::unexpected(fresh.error());
  holding = co_await store_.holding(caller.user, wish.type);
  if (!holding) co_return std::unexpected(holding.error());
  chosen = choose(*holding, wish.type);
  if (!chosen) co_return std::unexpected(chosen.error());
  co_return handed_out(caller, *user_key, **holding, **chosen, wish, reading);
}

}  // namespace latchkey::grants
