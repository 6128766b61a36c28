// The hot cache (RULES K8): after one slow check a right PIN costs microseconds, and a logic error still opens nothing.
//
// An entry holds the user's private key, and what was opened with it since, wrapped under a key made from the PIN and a
// random key of this process; the wrapping key is never stored. A hit therefore decrypts with the PIN shown: a wrong PIN
// is a failed decryption, not a failed `if`. Entries carry the user's auth_epoch: any other epoch is a miss and drops the
// entry. Memory is locked (no swap), wiped on eviction, bounded in count and time.
//
// Any thread may call; entries are sharded, no call blocks longer than a copy of a token.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "base/secret.h"

namespace latchkey::vault {

class HotCache {
 public:
  struct Bounds {
    std::size_t entries_max = 4096;
    std::chrono::seconds lifetime = std::chrono::hours(12);
  };
  HotCache(Bounds bounds, Entropy& entropy, const SteadyClock& clock);
  ~HotCache();
  HotCache(const HotCache&) = delete;
  HotCache& operator=(const HotCache&) = delete;

  // After a right PIN: keeps the user's private key.
  void put(UserId user, std::int64_t auth_epoch, const Secret& pin, const Secret& private_key);
  // The private key, if this user, epoch and PIN are here.
  [[nodiscard]] std::optional<Secret> find(UserId user, std::int64_t auth_epoch, const Secret& pin);

  // What `find` would say, without giving the key away: `wrong` means that the entry is here and this is not its PIN, so
  // that a wrong PIN of a hot user costs no Argon2id.
  enum class Match { absent, wrong, right };
  [[nodiscard]] Match match(UserId user, std::int64_t auth_epoch, const Secret& pin);

  // An opened access token of one grant generation, kept beside the key under the same wrapping (a no-op without entry).
  void put_token(UserId user, std::int64_t auth_epoch, const Secret& pin, GrantId grant, std::int64_t generation,
                 const Secret& token);
  // Nothing where user, epoch, PIN, grant or generation is another: that it opens proves the PIN.
  [[nodiscard]] std::optional<Secret> find_token(UserId user, std::int64_t auth_epoch, const Secret& pin, GrantId grant,
                                                 std::int64_t generation);

  void forget(UserId user);
  void clear();
  [[nodiscard]] std::size_t size() const;

 private:
  struct Shards;
  std::unique_ptr<Shards> shards_;
};

}  // namespace latchkey::vault
