// The token desk: cards in memory for the quick way, store and vault for the sure one.
#pragma once

#include <array>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "grants/keeper.h"
#include "grants/token_desk.h"
#include "vault/hot_cache.h"

namespace latchkey::grants {

// What the quick way needs to know of a user's grants. No secret is in it.
struct Card {
  std::string asked;  // the type a caller names to find it; empty for callers that name none (the only grant held)
  GrantId grant;
  store::GenerationNumber generation = 0;
  WallTime issued_at{};
  std::optional<WallTime> expires_at;
  std::shared_ptr<const HandoutText> text;
  SteadyTime read_at{};  // before the store was asked
};

// Cards of recently served users. Thread-safe, sharded, bounded; forgetting is at once.
//
// A card is filed only if nothing was forgotten of its user since the read it was made from began: a grant disabled in
// between cannot come back through a slow reader. (Users share counts of forgettings, so now and then a card is not filed for
// another's sake; they are many, since in a storm of refreshes thousands are forgotten a second.)
class Cards final : public GrantWatcher {
 public:
  // `lifetime`: how old a card may be; nullopt: until forgotten, right where no other node changes the store (RULES K8).
  explicit Cards(std::size_t users_max, std::optional<Milliseconds> lifetime = std::nullopt)
      : per_shard_max_(users_max / kShards + 1), lifetime_(lifetime) {}

  [[nodiscard]] std::uint64_t reading(UserId user) const;  // the count of forgettings
  void file(UserId user, std::uint64_t reading, Card card);
  // nullopt: ask the store.
  [[nodiscard]] std::optional<Card> find(UserId user, std::string_view asked, SteadyTime now) const;
  void grant_changed(UserId user, GrantId grant) override;

 private:
  struct Held {
    std::vector<Card> cards;
  };
  static constexpr std::size_t kShards = 16;
  static constexpr std::size_t kCountsPerShard = 256;
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<UserId, Held, base::IdHash> users;
    std::array<std::uint32_t, kCountsPerShard> forgotten{};
  };
  [[nodiscard]] static std::size_t count_of(UserId user) { return base::IdHash{}(user) / 256 % kCountsPerShard; }
  [[nodiscard]] Shard& shard(UserId user) const { return shards_[base::IdHash{}(user) % kShards]; }

  std::size_t per_shard_max_;
  std::optional<Milliseconds> lifetime_;
  mutable std::array<Shard, kShards> shards_;
};

// Counts hand-outs per grant and minute (Activity, "last used"). Thread-safe.
class HandoutLedger {
 public:
  virtual ~HandoutLedger() = default;
  virtual void handed_out(UserId user, GrantId grant) = 0;
};

class TokenDeskOfVault final : public TokenDesk {
 public:
  TokenDeskOfVault(store::Store& store, const Sealing& sealing, Keeper& keeper, Executor engine, vault::HotCache& hot, Cards& cards,
                   HandoutLedger& ledger, Counters& counters, const WallClock& wall, const SteadyClock& steady)
      : store_(store), sealing_(sealing), keeper_(keeper), engine_(std::move(engine)), hot_(hot), cards_(cards),
        ledger_(ledger), counters_(counters), wall_(wall), steady_(steady) {}

  [[nodiscard]] std::optional<Handout> hand_out_hot(const Caller& caller, const TokenWish& wish) override;
  [[nodiscard]] Task<Result<Handout>> hand_out(Caller caller, TokenWish wish) override;

 private:
  // When the store was asked, and what had been forgotten by then.
  struct Reading {
    std::uint64_t forgotten = 0;
    SteadyTime at{};
  };
  [[nodiscard]] Result<Handout> handed_out(const Caller& caller, const Secret& user_key, const store::Holding& holding,
                                           const store::Holding::Held& held, const TokenWish& wish, Reading reading);

  store::Store& store_;
  const Sealing& sealing_;
  Keeper& keeper_;
  Executor engine_;
  vault::HotCache& hot_;
  Cards& cards_;
  HandoutLedger& ledger_;
  Counters& counters_;
  const WallClock& wall_;
  const SteadyClock& steady_;
};

}  // namespace latchkey::grants
