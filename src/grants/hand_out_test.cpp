#include "grants/hand_out.h"

#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

UserId user_with(std::uint8_t octet) {
  Bytes octets(16, 0);
  octets[8] = 0x80;
  octets[9] = octet;
  return *UserId::from_bytes(octets);
}

Card card(std::string asked) {
  return {.asked = std::move(asked), .generation = 1, .text = std::make_shared<const HandoutText>()};
}

TEST(Cards, OneThatWasBeingReadWhenItsUserWasForgottenIsNotFiled) {
  Cards cards(100);
  const auto user = user_with(1);
  const auto reading = cards.reading(user);
  cards.grant_changed(user, {});
  cards.file(user, reading, card("acme"));
  EXPECT_FALSE(cards.find(user, "acme", {}));
  cards.file(user, cards.reading(user), card("acme"));
  EXPECT_TRUE(cards.find(user, "acme", {}));
  EXPECT_FALSE(cards.find(user, "other", {}));
}

TEST(Cards, AStormAmongOtherUsersDoesNotKeepOneFromBeingFiled) {
  Cards cards(100);
  const auto user = user_with(1);
  const auto reading = cards.reading(user);
  for (int other = 2; other < 200; ++other) cards.grant_changed(user_with(static_cast<std::uint8_t>(other)), {});
  cards.file(user, reading, card("acme"));
  EXPECT_TRUE(cards.find(user, "acme", {}));
}

TEST(Cards, K8_OneMayBeAsOldAsItsLifetimeWhereOtherNodesChangeTheStore) {
  Cards cards(100, Milliseconds(1000));
  const auto user = user_with(1);
  cards.file(user, cards.reading(user), card("acme"));
  EXPECT_TRUE(cards.find(user, "acme", SteadyTime(std::chrono::milliseconds(999))));
  EXPECT_FALSE(cards.find(user, "acme", SteadyTime(std::chrono::milliseconds(1000))));
}

class HandOutTest : public KeeperHouse, protected HandoutLedger {
 protected:
  // A user who has shown the PIN, and a grant wrapped to that user's key.
  store::Grant put_held_grant(const std::string& type, Seconds lifetime) {
    store::Batch batch;
    const auto grant = add_grant(batch, type, lifetime);
    keys = vault.make_key_pair();
    for (auto& each : batch) {
      auto* inserted = std::get_if<store::InsertUser>(&each);
      if (inserted == nullptr) continue;
      inserted->user.public_key.assign(keys->public_key.begin(), keys->public_key.end());
      caller.user = inserted->user.id;
      caller.auth_epoch = inserted->user.auth_epoch;
    }
    batch.push_back(store::PutWrap{sealing.wrap_for_user(grant, Bytes(keys->public_key.begin(), keys->public_key.end()), pair->private_key, wall.now())});
    commit(std::move(batch));
    caller.pin = pin.clone();
    hot.put(caller.user, caller.auth_epoch, pin, keys->private_key);
    return grant;
  }
  Result<Handout> ask() { return run(desk().hand_out({.user = caller.user, .auth_epoch = caller.auth_epoch, .pin = pin.clone()}, {.min_valid = 60s})); }
  TokenDeskOfVault& desk() {
    if (!made) made.emplace(*store, sealing, *keeper, engine.get_executor(), hot, cards, static_cast<HandoutLedger&>(*this), counters, wall, steady);
    return *made;
  }
  void handed_out(UserId, GrantId) override { ++handouts; }

  boost::asio::io_context engine;  // never runs: whoever waits for it waits for ever
  vault::HotCache hot{{}, entropy, steady};
  Cards cards{100};
  const Secret pin{"A good PIN 123"};
  std::optional<vault::KeyPair> keys;
  Caller caller;
  int handouts = 0;
  std::optional<TokenDeskOfVault> made;
};

TEST_F(HandOutTest, ATokenThatIsGoodEnoughIsHandedOutPastABusyEngine) {
  put_held_grant("acme-harmless", 3600s);
  const auto handout = ask();
  ASSERT_TRUE(handout) << handout.error().text;
  EXPECT_EQ(handout->access_token.reveal_text(), "at1");
  EXPECT_EQ(handouts, 1);
}

TEST_F(HandOutTest, ATokenThatIsAboutToEndIsAskedOfTheEngine) {
  const auto grant = put_held_grant("acme-harmless", 3600s);
  wall.advance(3590s);
  const auto outcome = base::start_on(loop, desk().hand_out({.user = caller.user, .auth_epoch = caller.auth_epoch, .pin = pin.clone()}, {.min_valid = 60s}));
  base::drive_until(loop, [&] {
    engine.restart();
    engine.poll();  // now it runs
    return outcome->has_value();
  });
  ASSERT_TRUE(**outcome) << (*outcome)->error().text;
  EXPECT_EQ(view(grant.id).grant.generation, 2);
  EXPECT_EQ((**outcome)->access_token.reveal_text(), access_token(view(grant.id)));
}

}  // namespace
}  // namespace latchkey::grants
