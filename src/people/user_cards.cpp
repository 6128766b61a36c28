#include "people/user_cards.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_map>

namespace latchkey::people {
namespace {

constexpr std::size_t kShards = 16;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};

UserCardPtr card_of(store::User user, std::vector<store::KnownSource> known, std::vector<store::PinFailureCount> failures,
                    SteadyTime now) {
  auto card = std::make_shared<UserCard>();
  card->id = user.id;
  card->group = user.group;
  card->username = std::move(user.username);
  card->username_key = std::move(user.username_key);
  card->role = user.role;
  card->enabled = user.enabled;
  card->uses = user.uses;
  card->auth_epoch = user.auth_epoch;
  card->public_key = public_key_of(user);
  card->private_key_wrapped = std::move(user.private_key_wrapped);
  card->password_sealed = std::move(user.password_sealed);
  card->known_sources = std::move(known);
  card->failures = std::move(failures);
  card->loaded_at = now;
  // A rule that cannot be read must not widen: such a user is let in from nowhere.
  if (auto rules = SourceRules::parse(user.allowed_sources)) card->sources = std::move(*rules);
  else card->enabled = false;
  return card;
}

}  // namespace

const store::KnownSource* UserCard::known(std::string_view source) const {
  const auto found = std::ranges::find(known_sources, source, &store::KnownSource::source);
  return found == known_sources.end() ? nullptr : &*found;
}

std::int64_t UserCard::distinct_failures(std::string_view bucket) const {
  const auto found = std::ranges::find(failures, bucket, &store::PinFailureCount::bucket);
  return found == failures.end() ? 0 : found->distinct;
}

struct UserCards::Shards {
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<std::string, UserCardPtr, TextHash, std::equal_to<>> cards;
    std::uint64_t forgotten = 0;  // counts forget(): a load that sees another figure afterwards is not kept
  };

  Shard& of(std::string_view key) { return shards[TextHash()(key) % kShards]; }

  store::Store& store;
  const UserSeal& seal;
  const SteadyClock& steady;
  Log& log;
  Options options;
  std::array<Shard, kShards> shards{};
};

UserCards::UserCards(store::Store& store, const UserSeal& seal, const SteadyClock& steady, Log& log, Options options)
    : shards_(new Shards{.store = store, .seal = seal, .steady = steady, .log = log, .options = options}) {}
UserCards::UserCards(store::Store& store, const UserSeal& seal, const SteadyClock& steady, Log& log)
    : UserCards(store, seal, steady, log, Options()) {}
UserCards::~UserCards() = default;

UserCardPtr UserCards::peek(std::string_view username_key) const {
  const auto& shard = shards_->of(username_key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.cards.find(username_key);
  if (found == shard.cards.end()) return nullptr;
  const auto& lifetime = shards_->options.lifetime;
  if (lifetime && shards_->steady.now() >= found->second->loaded_at + *lifetime) return nullptr;
  return found->second;
}

Task<Result<UserCardPtr>> UserCards::get(std::string username_key) {
  if (auto card = peek(username_key)) co_return card;
  auto& shard = shards_->of(username_key);
  std::uint64_t forgotten_before = 0;
  {
    const std::lock_guard lock(shard.mutex);
    forgotten_before = shard.forgotten;
  }
  const auto now = shards_->steady.now();
  auto user = co_await shards_->store.user_by_key(username_key);
  if (!user) co_return std::unexpected(user.error());
  if (!*user) co_return nullptr;
  if (const auto sound = shards_->seal.check(**user); !sound || (*user)->username_key != username_key) {
    shards_->log.error("user_record_altered", {{"user", (*user)->id.text()}});
    co_return nullptr;
  }
  auto known = co_await shards_->store.known_sources((*user)->id);
  if (!known) co_return std::unexpected(known.error());
  auto failures = co_await shards_->store.pin_failures((*user)->id);
  if (!failures) co_return std::unexpected(failures.error());
  auto card = card_of(std::move(**user), std::move(*known), std::move(*failures), now);
  const std::lock_guard lock(shard.mutex);
  if (shard.forgotten != forgotten_before) co_return card;
  if (shard.cards.size() >= std::max<std::size_t>(1, shards_->options.entries_max / kShards)) {
    shard.cards.erase(shard.cards.begin());
  }
  shard.cards.insert_or_assign(std::move(username_key), card);
  co_return card;
}

void UserCards::forget(std::string_view username_key) {
  auto& shard = shards_->of(username_key);
  const std::lock_guard lock(shard.mutex);
  ++shard.forgotten;
  if (const auto found = shard.cards.find(username_key); found != shard.cards.end()) shard.cards.erase(found);
}

void UserCards::clear() {
  for (auto& shard : shards_->shards) {
    const std::lock_guard lock(shard.mutex);
    ++shard.forgotten;
    shard.cards.clear();
  }
}

std::size_t UserCards::size() const {
  std::size_t count = 0;
  for (const auto& shard : shards_->shards) {
    const std::lock_guard lock(shard.mutex);
    count += shard.cards.size();
  }
  return count;
}

}  // namespace latchkey::people
