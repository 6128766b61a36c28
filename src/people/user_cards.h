// User cards: what the gate needs of a user, read through from the store and kept in memory, so that a hot hand-out
// touches no disk.
//
// Invariants: a card is immutable; a change replaces it. A card whose record fails its MAC is never handed out. A load
// that began before forget() does not come back after it.
// Concurrency: thread-safe; no lock is held across a co_await.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "people/source_rules.h"
#include "people/user_seal.h"
#include "store/store.h"

namespace latchkey::people {

struct UserCard {
  UserId id;
  GroupId group;
  std::string username;
  std::string username_key;
  store::Role role = store::Role::regular;
  bool enabled = false;
  std::uint32_t uses = 0;
  SourceRules sources;
  std::int64_t auth_epoch = 0;
  std::optional<vault::PublicKey> public_key;  // nullopt: no PIN
  Bytes private_key_wrapped;
  Bytes password_sealed;
  std::vector<store::KnownSource> known_sources;
  std::vector<store::PinFailureCount> failures;
  SteadyTime loaded_at{};

  // The known source's last success, or nullptr.
  [[nodiscard]] const store::KnownSource* known(std::string_view source) const;
  [[nodiscard]] std::int64_t distinct_failures(std::string_view bucket) const;
};
using UserCardPtr = std::shared_ptr<const UserCard>;

class UserCards {
 public:
  struct Options {
    std::size_t entries_max = 20'000;
    // How old a card may be; nullopt: until forgotten, right for a single node. With several nodes sharing a store: 1 s.
    std::optional<std::chrono::nanoseconds> lifetime{};
  };
  UserCards(store::Store& store, const UserSeal& seal, const SteadyClock& steady, Log& log, Options options);
  UserCards(store::Store& store, const UserSeal& seal, const SteadyClock& steady, Log& log);
  ~UserCards();
  UserCards(const UserCards&) = delete;
  UserCards& operator=(const UserCards&) = delete;

  // From memory alone; nullptr: not here (or too old).
  [[nodiscard]] UserCardPtr peek(std::string_view username_key) const;
  // nullptr: no such user, or a record that was altered (logged). Errors: those of the store.
  [[nodiscard]] Task<Result<UserCardPtr>> get(std::string username_key);
  // After every commit that changes the user, the known sources or the counts.
  void forget(std::string_view username_key);
  void clear();
  [[nodiscard]] std::size_t size() const;

 private:
  struct Shards;
  std::unique_ptr<Shards> shards_;
};

}  // namespace latchkey::people
