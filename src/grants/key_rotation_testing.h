// A master key's rotation over real neighbours: a store, a vault, key files, the keeper beside it.
#pragma once

#include "grants/key_rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "grants/keeper_testing.h"
#include "grants/nodes.h"

namespace latchkey::grants {

inline constexpr vault::PinCost kCheap{.memory_kib = 64, .passes = 1};

class RotationHouse : public KeeperHouse {
 protected:
  explicit RotationHouse(std::string key_name = "master.key") : key_name_(std::move(key_name)) {
    // The house's vault stands on a key of its own; here it is that of a file.
    std::ofstream(key_path()) << base::to_hex(Bytes(32, 7)) << "\n";
    std::filesystem::permissions(key_path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    begin();
    EXPECT_TRUE(settle());
  }
  ~RotationHouse() override {
    if (rotation) stop();
  }

  std::string key_path() const { return (folder / key_name_).string(); }
  vault::KeyFiles files() const { return {key_path(), files_spare()}; }
  std::string files_spare() const { return (folder / "spare.key").string(); }
  Result<void> settle() { return run(settle_master_key(*store, vault, files(), entropy)); }
  void begin() {
    cards = std::make_unique<people::UserCards>(*store, user_seal, steady, log);
    auto* house = keeper.get();
    rotation = std::make_unique<KeyRotation>(KeyRotation::Parts{
        .store = *store, .journal = journal, .vault = vault, .files = files(), .sealing = sealing, .user_seal = user_seal, .user_cards = *cards,
        .alerts = alerts, .wall = wall, .steady = steady, .entropy = entropy, .log = log, .executor = loop.get_executor(),
        .node = own_node, .shared = shared, .machine = "first", .rest = [] { return Seconds(90); }, .channel_secrets = [this] { return channel_secrets; },
        .resealed = [house](const store::JournalEntry& entry) { house->take_resealed(entry); }});
  }
  CommonClock common{wall, [this] { return steady.now().time_since_epoch(); }};
  Nodes::Parts another_node(const vault::Vault& by) {
    return {.store = *store, .keeper = *keeper, .vault = by, .alerts = alerts, .wall = common, .steady = steady, .entropy = entropy, .log = log,
            .node = NodeId::make(wall.now(), entropy), .version = "1"};
  }
  static Task<bool> ended(Nodes* node) {
    co_await node->end();
    co_return true;
  }
  static Task<void> touch_every_other_time(RotationHouse* house, GrantId id, int* readings) {
    if (++*readings % 2 == 0) co_return;
    auto seen = co_await house->store->grant(id);
    auto grant = (*seen)->grant;
    grant.failures += 1;
    static_cast<void>(co_await house->store->commit({store::UpdateGrant{grant}}));
  }
  Task<bool> stop_rotation() {
    co_await rotation->stop();
    co_return true;
  }
  void stop() {
    run(stop_rotation());
    rotation.reset();
  }
  // Lets it run to its end; its rests pass at once.
  void let_finish() {
    base::drive_until(loop, [&] {
      if (!rotation->status().rotation) return true;
      if (const auto wake = steady.next_wake()) steady.advance(*wake - steady.now());
      return false;
    });
  }
  // A user with PIN, password, and one grant whose tokens are rt1 and at1, all vouched for.
  store::Grant put_person(const std::string& type) {
    auto grant = put_grant(type);
    auto user = **ptr(run(store->user(grant.user)));
    const auto keys = vault.make_key_pair();
    user.public_key.assign(keys.public_key.begin(), keys.public_key.end());
    user.private_key_wrapped = vault.wrap_user_key(user.id, keys.public_key, keys.private_key, Secret("473829"), kCheap);
    user.password_sealed = vault.make_password_verifier(user.id, Secret("correct horse"), kCheap);
    user_seal.vouch(user);
    commit({store::UpdateUser{user}, store::PutWrap{sealing.wrap_for_user(grant, user.public_key, pair->private_key, wall.now())}});
    return grant;
  }
  template <class T>
  static T* ptr(Result<T>&& result) {
    static T held;
    EXPECT_TRUE(result);
    held = std::move(*result);
    return &held;
  }
  store::User user_of(const store::Grant& grant) {
    auto found = run(store->user(grant.user));
    EXPECT_TRUE(found && *found);
    return **found;
  }
  // Everything of the person opens with this vault alone.
  void expect_whole(const store::Grant& grant, const vault::Vault& with) {
    const Sealing seals(with);
    const people::UserSeal user_seals(with);
    const auto seen = view(grant.id);
    EXPECT_TRUE(seals.check(seen.grant));
    const auto* current = current_of(seen);
    ASSERT_NE(current, nullptr);
    EXPECT_EQ(seals.open_refresh(seen.grant, *current)->token.reveal_text(), "rt1");
    const auto user = user_of(grant);
    EXPECT_TRUE(user_seals.check(user));
    const auto user_key = with.unwrap_user_key(user.id, *people::public_key_of(user), Secret("473829"), user.private_key_wrapped);
    ASSERT_TRUE(user_key);
    EXPECT_TRUE(*with.check_password(user.id, Secret("correct horse"), user.password_sealed));
    const auto wraps = run(store->wraps(grant.id));
    ASSERT_TRUE(wraps && wraps->size() == 1);
    const auto grant_key = seals.unwrap_for_user(seen.grant, user.public_key, *user_key, wraps->front());
    ASSERT_TRUE(grant_key);
    EXPECT_EQ(seals.open_access(seen.grant, *current, *grant_key)->reveal_text(), "at1");
    const auto app = run(store->app("acme"));
    ASSERT_TRUE(app && *app);
    EXPECT_TRUE(seals.check(**app));
    EXPECT_EQ(seals.open_app_secret(**app, 0)->reveal_text(), "app-secret-0");
  }
  Secret key_in(const std::string& path) {
    auto key = vault::load_master_key(path, vault::OnMissingKey::refuse, entropy);
    EXPECT_TRUE(key) << path;
    return key ? std::move(*key) : Secret(Bytes(32));
  }

  std::string key_name_;
  NodeId own_node{};
  bool shared = false;
  people::UserSeal user_seal{vault};
  std::vector<ChannelSecretPlace> channel_secrets;
  std::unique_ptr<people::UserCards> cards;
  std::unique_ptr<KeyRotation> rotation;
};

}  // namespace latchkey::grants
