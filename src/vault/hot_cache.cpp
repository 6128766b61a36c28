#include "vault/hot_cache.h"

#include <array>
#include <cstring>
#include <list>
#include <memory_resource>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/locked_memory.h"

namespace latchkey::vault {
namespace {

constexpr std::size_t kShardsMax = 16;
constexpr std::size_t kEntriesPerShardMin = 256;  // fewer entries than that need no second shard
constexpr std::size_t kTokensMax = 8;             // of one user
constexpr std::size_t kTokenBytesMax = 16 * 1024;
constexpr std::size_t kStackBytes = 4096;

// A ciphertext at rest: nonce, then ciphertext and tag, in locked pages; wiped when it goes.
class Cell {
 public:
  Cell(ByteView key, ByteView associated, ByteView plain, Entropy& entropy, std::pmr::memory_resource* memory)
      : octets_(crypto::kAeadNonceBytes + plain.size() + crypto::kAeadTagBytes, memory) {
    const std::span<std::uint8_t> all(octets_);
    entropy.fill(all.first(crypto::kAeadNonceBytes));
    crypto::aead_seal(key, all.first(crypto::kAeadNonceBytes), associated, plain, all.subspan(crypto::kAeadNonceBytes));
  }
  Cell(Cell&&) noexcept = default;
  Cell& operator=(Cell&&) = delete;
  ~Cell() { base::wipe(octets_.data(), octets_.size()); }

  [[nodiscard]] ByteView octets() const { return octets_; }

 private:
  std::pmr::vector<std::uint8_t> octets_;
};

// What a PIN derives for its user and epoch, for as long as a call runs; wiped when it goes.
struct WrappingKey {
  explicit WrappingKey(const crypto::Digest& digest) : octets(digest) {}
  WrappingKey(const WrappingKey&) = delete;
  WrappingKey& operator=(const WrappingKey&) = delete;
  ~WrappingKey() { base::wipe(octets.data(), octets.size()); }
  crypto::Digest octets;
};

std::optional<Secret> open_cell(ByteView key, ByteView associated, ByteView octets) {
  auto plain = Secret::of_size(octets.size() - crypto::kAeadNonceBytes - crypto::kAeadTagBytes);
  if (!crypto::aead_open(key, octets.first(crypto::kAeadNonceBytes), associated, octets.subspan(crypto::kAeadNonceBytes),
                         plain.writable())) {
    return std::nullopt;
  }
  return plain;
}

struct Token {
  GrantId grant;
  std::int64_t generation;
  Cell cell;
};

struct Entry {
  std::int64_t auth_epoch;
  SteadyTime expires_at;
  Cell key;
  std::list<Token> tokens;  // newest first
  std::list<UserId>::iterator place;
};

// A copy of a cell taken under the shard's lock and opened outside it; on the stack unless it is long.
class Copy {
 public:
  void take(ByteView octets) {
    size_ = octets.size();
    if (size_ > stack_.size()) heap_.resize(size_);
    std::memcpy(size_ > stack_.size() ? heap_.data() : stack_.data(), octets.data(), size_);
  }
  [[nodiscard]] ByteView octets() const { return {size_ > stack_.size() ? heap_.data() : stack_.data(), size_}; }

 private:
  std::array<std::uint8_t, kStackBytes> stack_;  // NOLINT: filled by take()
  Bytes heap_;
  std::size_t size_ = 0;
};

std::array<std::uint8_t, 24> token_place(GrantId grant, std::int64_t generation) {
  std::array<std::uint8_t, 24> place;
  std::memcpy(place.data(), grant.bytes().data(), 16);
  std::memcpy(place.data() + 16, &generation, sizeof generation);
  return place;
}

constexpr std::string_view kKeyPlace = "private key";

}  // namespace

struct HotCache::Shards {
  Shards(Bounds bounds_in, Entropy& entropy_in, const SteadyClock& clock_in)
      : bounds(bounds_in),
        entropy(entropy_in),
        clock(clock_in),
        shards(std::min(kShardsMax, std::max<std::size_t>(1, bounds_in.entries_max / kEntriesPerShardMin))),
        entries_max_of_one((bounds_in.entries_max + shards.size() - 1) / shards.size()) {
    entropy.fill(process_key.writable());
  }

  struct Shard {
    std::mutex mutex;
    crypto::LockedPages pages;
    std::pmr::unsynchronized_pool_resource memory{
        std::pmr::pool_options{.max_blocks_per_chunk = 32, .largest_required_pool_block = kTokenBytesMax}, &pages};
    std::list<UserId> recent;  // most recently used first
    std::unordered_map<UserId, Entry, IdHash> entries;

    void drop(std::unordered_map<UserId, Entry, IdHash>::iterator which) {
      recent.erase(which->second.place);
      entries.erase(which);
    }
    // The live entry, or nullptr; one of another epoch or past its time goes.
    Entry* find(UserId user, std::int64_t auth_epoch, SteadyTime now) {
      const auto found = entries.find(user);
      if (found == entries.end()) return nullptr;
      if (found->second.auth_epoch != auth_epoch || now >= found->second.expires_at) {
        drop(found);
        return nullptr;
      }
      recent.splice(recent.begin(), recent, found->second.place);
      return &found->second;
    }
  };

  Shard& of(UserId user) { return shards[IdHash()(user) % shards.size()]; }

  // The wrapping key of one user, epoch and PIN; exists only while a call runs.
  crypto::Digest wrapping_key(UserId user, std::int64_t auth_epoch, const Secret& pin) const {
    std::array<std::uint8_t, 24> head;
    std::memcpy(head.data(), user.bytes().data(), 16);
    std::memcpy(head.data() + 16, &auth_epoch, sizeof auth_epoch);
    return crypto::keyed_blake2b(process_key.reveal(), {head, pin.reveal()});
  }

  // Whether the entry is here; if so, its key's cell.
  bool copy_key_cell(UserId user, std::int64_t auth_epoch, Copy& copy) {
    auto& shard = of(user);
    const std::lock_guard lock(shard.mutex);
    const auto* entry = shard.find(user, auth_epoch, clock.now());
    if (entry != nullptr) copy.take(entry->key.octets());
    return entry != nullptr;
  }

  const Bounds bounds;
  Entropy& entropy;
  const SteadyClock& clock;
  crypto::LockedBytes process_key{32};
  std::vector<Shard> shards;
  const std::size_t entries_max_of_one;
};

HotCache::HotCache(Bounds bounds, Entropy& entropy, const SteadyClock& clock)
    : shards_(std::make_unique<Shards>(bounds, entropy, clock)) {}
HotCache::~HotCache() = default;

void HotCache::put(UserId user, std::int64_t auth_epoch, const Secret& pin, const Secret& private_key) {
  if (shards_->bounds.entries_max == 0) return;
  const WrappingKey key(shards_->wrapping_key(user, auth_epoch, pin));
  auto& shard = shards_->of(user);
  const std::lock_guard lock(shard.mutex);
  if (const auto old = shard.entries.find(user); old != shard.entries.end()) {
    if (old->second.auth_epoch > auth_epoch) return;  // a slow check that began before the change
    shard.drop(old);
  }
  while (shard.entries.size() >= shards_->entries_max_of_one) shard.drop(shard.entries.find(shard.recent.back()));
  shard.recent.push_front(user);
  shard.entries.emplace(
      user, Entry{.auth_epoch = auth_epoch,
                  .expires_at = shards_->clock.now() + shards_->bounds.lifetime,
                  .key = Cell(key.octets, base::as_bytes(kKeyPlace), private_key.reveal(), shards_->entropy, &shard.memory),
                  .tokens = {},
                  .place = shard.recent.begin()});
}

std::optional<Secret> HotCache::find(UserId user, std::int64_t auth_epoch, const Secret& pin) {
  Copy copy;
  if (!shards_->copy_key_cell(user, auth_epoch, copy)) return std::nullopt;
  const WrappingKey key(shards_->wrapping_key(user, auth_epoch, pin));
  return open_cell(key.octets, base::as_bytes(kKeyPlace), copy.octets());
}

namespace {

bool opens(const std::array<std::uint8_t, 32>& key, const Copy& cell) {
  return open_cell(key, base::as_bytes(kKeyPlace), cell.octets()).has_value();
}

}  // namespace

HotCache::Match HotCache::match(UserId user, std::int64_t auth_epoch, const Secret& pin) {
  Copy copy;
  if (!shards_->copy_key_cell(user, auth_epoch, copy)) return Match::absent;
  const WrappingKey key(shards_->wrapping_key(user, auth_epoch, pin));
  return opens(key.octets, copy) ? Match::right : Match::wrong;
}

void HotCache::put_token(UserId user, std::int64_t auth_epoch, const Secret& pin, GrantId grant, std::int64_t generation,
                         const Secret& token) {
  if (token.size() > kTokenBytesMax) return;
  const WrappingKey key(shards_->wrapping_key(user, auth_epoch, pin));
  auto& shard = shards_->of(user);
  const std::lock_guard lock(shard.mutex);
  auto* entry = shard.find(user, auth_epoch, shards_->clock.now());
  if (entry == nullptr || !open_cell(key.octets, base::as_bytes(kKeyPlace), entry->key.octets())) return;
  // One generation a grant: the newest counts, and a late caller must not bring an older one back.
  for (auto which = entry->tokens.begin(); which != entry->tokens.end(); ++which) {
    if (which->grant != grant) continue;
    if (which->generation > generation) return;
    entry->tokens.erase(which);
    break;
  }
  if (entry->tokens.size() >= kTokensMax) entry->tokens.pop_back();
  entry->tokens.push_front(
      Token{.grant = grant,
            .generation = generation,
            .cell = Cell(key.octets, token_place(grant, generation), token.reveal(), shards_->entropy, &shard.memory)});
}

std::optional<Secret> HotCache::find_token(UserId user, std::int64_t auth_epoch, const Secret& pin, GrantId grant,
                                           std::int64_t generation) {
  auto& shard = shards_->of(user);
  Copy copy;
  {
    const std::lock_guard lock(shard.mutex);
    const auto* entry = shard.find(user, auth_epoch, shards_->clock.now());
    if (entry == nullptr) return std::nullopt;
    const Token* found = nullptr;
    for (const auto& token : entry->tokens) {
      if (token.grant == grant && token.generation == generation) found = &token;
    }
    if (found == nullptr) return std::nullopt;
    copy.take(found->cell.octets());
  }
  const WrappingKey key(shards_->wrapping_key(user, auth_epoch, pin));
  return open_cell(key.octets, token_place(grant, generation), copy.octets());
}

void HotCache::forget(UserId user) {
  auto& shard = shards_->of(user);
  const std::lock_guard lock(shard.mutex);
  if (const auto found = shard.entries.find(user); found != shard.entries.end()) shard.drop(found);
}

void HotCache::clear() {
  for (auto& shard : shards_->shards) {
    const std::lock_guard lock(shard.mutex);
    shard.entries.clear();
    shard.recent.clear();
  }
}

std::size_t HotCache::size() const {
  std::size_t count = 0;
  for (auto& shard : shards_->shards) {
    const std::lock_guard lock(shard.mutex);
    count += shard.entries.size();
  }
  return count;
}

}  // namespace latchkey::vault
