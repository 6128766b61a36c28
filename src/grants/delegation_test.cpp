// What a queued delivery may open while nobody is there, and until when (RULES K2, K4).
#include "grants/delegation.h"

#include "grants/keeper_testing.h"
#include "grants/pin_reset.h"

namespace latchkey::grants {
namespace {

class DelegationTest : public KeeperHouse {
 protected:
  void SetUp() override {
    store::Batch batch;
    grant = add_grant(batch, "acme-harmless", 3600s);
    keys = vault.make_key_pair();
    for (auto& each : batch) {
      auto* inserted = std::get_if<store::InsertUser>(&each);
      if (inserted == nullptr) continue;
      inserted->user.public_key.assign(keys->public_key.begin(), keys->public_key.end());
      user = inserted->user;
    }
    batch.push_back(store::PutWrap{sealing.wrap_for_user(grant, user.public_key, pair->private_key, wall.now())});
    commit(std::move(batch));
    hot.put(user.id, user.auth_epoch, pin, keys->private_key);
  }
  Delegations& delegations() {
    if (!made) {
      made.emplace(Delegations::Parts{.store = *store,
                                      .sealing = sealing,
                                      .vault = vault,
                                      .hot = hot,
                                      .keeper = *keeper,
                                      .engine = loop.get_executor(),
                                      .wall = wall});
    }
    return *made;
  }
  Result<Delegation> delegate(std::string type = "acme-harmless", std::string_view shown = "A good PIN 123") {
    return run(
        delegations().delegate({.user = user.id, .auth_epoch = user.auth_epoch, .pin = Secret(shown)}, std::move(type)));
  }
  // A document that was accepted.
  store::Delivery accepted() {
    store::Delivery delivery{.id = DeliveryId::make(wall.now(), entropy), .connector = "scans", .submitter = user.id};
    auto delegation = delegate();
    EXPECT_TRUE(delegation);
    auto sealed = run(delegations().seal(*delegation, delivery.id));
    EXPECT_TRUE(sealed);
    delivery.grant = delegation->grant;
    delivery.public_key = delegation->public_key;
    delivery.private_key_sealed = sealed->private_key_sealed;
    sealing.vouch(delivery);
    sealed->batch.emplace_back(store::PutDelivery{delivery});
    commit(std::move(sealed->batch));
    return delivery;
  }
  std::string seal(const Delegation& delegation) {
    const auto sealed = run(delegations().seal(delegation, DeliveryId::make(wall.now(), entropy)));
    return sealed ? "sealed" : sealed.error().reason;
  }
  std::string token_of(const store::Delivery& delivery) {
    const auto token = run(delegations().token(delivery, 60s));
    return token ? std::string(token->access_token.reveal_text()) : "error " + token.error().reason;
  }

  vault::HotCache hot{{}, entropy, steady};
  const Secret pin{"A good PIN 123"};
  std::optional<vault::KeyPair> keys;
  store::User user;
  store::Grant grant;
  std::optional<Delegations> made;
};

TEST_F(DelegationTest, K4_ThePinOpensTheGrantOnceForOneDelivery) {
  const auto delivery = accepted();
  hot.clear();  // nobody is there any more
  EXPECT_EQ(token_of(delivery), "at1");
  // Another delivery's key opens nothing with this one's wrap.
  auto foreign = delivery;
  foreign.id = DeliveryId::make(wall.now(), entropy);
  EXPECT_EQ(token_of(foreign), "error delegation_ended");
  auto exchanged = delivery;
  exchanged.private_key_sealed = sealing.seal_delivery_key(delivery.id, vault.make_key_pair().private_key);
  EXPECT_EQ(token_of(exchanged), "error ciphertext_rejected");
  EXPECT_EQ(delegate().error().reason, "invalid_credentials") << "without the PIN there is no delegation";
}

TEST_F(DelegationTest, AWrongPinAndATypeNotHeldDelegateNothing) {
  EXPECT_EQ(delegate("acme-harmless", "Another PIN 123").error().reason, "invalid_credentials");
  EXPECT_EQ(delegate("acme-grace").error().reason, "no_such_grant");
}

TEST_F(DelegationTest, K4_ItDiesWithTheDelivery) {
  const auto delivery = accepted();
  const auto holder = delivery.id.bytes();
  commit({store::DeleteDelivery{delivery.id},
          store::DeleteWrap{delivery.grant, store::HolderKind::delivery, Bytes(holder.begin(), holder.end())}});
  EXPECT_EQ(token_of(delivery), "error delegation_ended");
}

TEST_F(DelegationTest, ATokenThatWasRefusedIsExchangedOnceForAll) {
  const auto delivery = accepted();
  const auto other = accepted();
  ASSERT_EQ(token_of(delivery), "at1");
  const auto renewed = run(delegations().token_after(delivery, 1));
  ASSERT_TRUE(renewed) << renewed.error().reason;
  EXPECT_EQ(renewed->generation, 2);
  const auto posts = view(grant.id).grant.generation;
  const auto joined = run(delegations().token_after(other, 1));
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->generation, 2);
  EXPECT_EQ(view(grant.id).grant.generation, posts) << "who comes later gets the new one";
  EXPECT_EQ(run(delegations().token_after(other, 2)).error().reason, "token_refused") << "the new one is refused, too";
  EXPECT_EQ(view(grant.id).grant.generation, posts);
  wall.advance(std::chrono::minutes(2));
  EXPECT_EQ(run(delegations().token_after(other, 2))->generation, 3);
}

TEST_F(DelegationTest, D5_WhatIsLockedIsNotOpened) {
  const auto delivery = accepted();
  auto locked = view(grant.id).grant;
  locked.state = store::GrantState::disabled;
  sealing.vouch(locked);
  commit({store::UpdateGrant{locked}});
  EXPECT_EQ(token_of(delivery), "error authorization_needed");
}

// K2, K7: the new pair is sealed to what waits for the grant, too.
TEST_F(DelegationTest, K2_APinResetTakesWaitingDocumentsAlong) {
  const auto delivery = accepted();
  const auto altered = accepted();
  auto planted = *run(store->delivery(altered.id)).value();
  const auto stranger = vault.make_key_pair();
  planted.public_key.assign(stranger.public_key.begin(), stranger.public_key.end());
  commit({store::PutDelivery{planted}});  // by a writer without the master key: the MAC does not fit any more

  PinReset reset(*store, vault, sealing, *this, wall);
  auto after = *run(store->user(user.id)).value();
  const auto fresh = vault.make_key_pair();
  after.public_key.assign(fresh.public_key.begin(), fresh.public_key.end());
  auto batch = run(reset.pin_reset(user, after));
  ASSERT_TRUE(batch);
  commit(std::move(*batch));
  advance(1s);
  const auto token = token_of(delivery);
  EXPECT_NE(token, "at1") << "what was sealed before opens for nobody";
  EXPECT_FALSE(token.starts_with("error")) << token;
  EXPECT_TRUE(token_of(planted).starts_with("error")) << "and a planted key is not sealed to";
}

// K8: what the PIN opened at the door is good only as long as the PIN is.
TEST_F(DelegationTest, K8_WhatChangedSinceThePinWasShownIsNotSealed) {
  const auto delegation = delegate();
  ASSERT_TRUE(delegation);
  EXPECT_EQ(seal(*delegation), "sealed");
  auto later = delegate();
  later->auth_epoch = *later->auth_epoch - 1;
  EXPECT_EQ(seal(*later), "invalid_credentials");

  auto rekeyed = view(grant.id).grant;
  const auto before = rekeyed.public_key;
  const auto fresh = vault.make_key_pair();
  rekeyed.public_key.assign(fresh.public_key.begin(), fresh.public_key.end());
  sealing.vouch(rekeyed);
  commit({store::UpdateGrant{rekeyed}});
  EXPECT_EQ(seal(*delegation), "no_such_grant") << "the half held opens nothing any more";
  auto back = view(grant.id).grant;
  back.public_key = before;
  sealing.vouch(back);
  commit({store::UpdateGrant{back}});
  EXPECT_EQ(seal(*delegation), "sealed");
  commit({store::DeleteGrant{grant.id}});
  EXPECT_EQ(seal(*delegation), "no_such_grant");
}

// K2: between reading and committing nobody gives the grant another pair unseen.
TEST_F(DelegationTest, K2_AcceptanceAndPinResetDoNotPassEachOtherBy) {
  const auto delegation = delegate();
  ASSERT_TRUE(delegation);
  auto sealed = run(delegations().seal(*delegation, DeliveryId::make(wall.now(), entropy)));
  ASSERT_TRUE(sealed);
  PinReset reset(*store, vault, sealing, *this, wall);
  auto batch = run(reset.pin_reset(user, user));
  ASSERT_TRUE(batch);
  auto first = run(store->commit(sealed->batch));
  ASSERT_TRUE(first) << first.error().reason;
  EXPECT_EQ(run(store->commit(*batch)).error().reason, "version") << "the reset looks again, and sees the wrap";
  commit(*run(reset.pin_reset(user, user)));
  EXPECT_EQ(run(store->commit(sealed->batch)).error().reason, "version");
}

TEST_F(DelegationTest, P5_ItGoesAlongWithARotationOfTheMasterKey) {
  const auto delivery = accepted();
  vault.begin_rotation(Secret(Bytes(32, 77)));
  const auto wraps = run(store->wraps(grant.id)).value();
  for (const auto& wrap : wraps) {
    auto renewed = wrap;
    auto sealed = sealing.renew_wrap(view(grant.id).grant, wrap);
    ASSERT_TRUE(sealed) << static_cast<int>(wrap.holder_kind);
    renewed.private_key_sealed = *sealed;
    commit({store::PutWrap{renewed}});
  }
  auto carried = delivery;
  carried.private_key_sealed = sealing.renew_delivery_key(delivery).value();
  EXPECT_NE(carried.private_key_sealed, delivery.private_key_sealed);
  EXPECT_TRUE(sealing.check(delivery)) << "a MAC of either key is good meanwhile";
  EXPECT_EQ(token_of(carried), "at1");
}

}  // namespace
}  // namespace latchkey::grants
