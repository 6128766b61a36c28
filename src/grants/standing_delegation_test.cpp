// What lets a connector use an account while nobody shows a PIN, and what ends it (RULES K2, K4).
#include "grants/standing_delegation.h"

#include <algorithm>

#include "grants/keeper_testing.h"
#include "grants/key_records.h"
#include "grants/pin_reset.h"

namespace latchkey::grants {
namespace {

class StandingDelegationTest : public KeeperHouse {
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
    delegations.emplace(Delegations::Parts{.store = *store,
                                           .sealing = sealing,
                                           .vault = vault,
                                           .hot = hot,
                                           .keeper = *keeper,
                                           .engine = loop.get_executor(),
                                           .wall = wall});
    standing.emplace(StandingDelegations::Parts{.store = *store, .sealing = sealing, .vault = vault, .wall = wall, .entropy = entropy});
    configure();
    hot.clear();  // nobody is there any more
  }

  // The owner's PIN is given for the connector.
  void configure() {
    const auto opened = run(delegations->delegate({.user = user.id, .auth_epoch = user.auth_epoch, .pin = pin.clone()}, "acme-harmless"));
    ASSERT_TRUE(opened);
    auto made = run(standing->make(*opened));
    ASSERT_TRUE(made);
    connector = {.id = "scans", .name = "Scans", .type = "acme-harmless", .account = store::AccountKind::fixed, .owner = user.id};
    connector.delegation = made->standing;
    sealing.vouch(connector);
    made->batch.emplace_back(store::PutConnector{connector});
    commit(std::move(made->batch));
    connector.version = 1;
  }
  std::string opening(const store::Connector& one) {
    const auto opened = run(standing->open(one));
    if (!opened) return opened.error().reason;
    const auto token = run(delegations->token(*opened, 60s));
    return token ? std::string(token->access_token.reveal_text()) : token.error().reason;
  }
  // A document that came in by the connector.
  store::Delivery accepted() {
    store::Delivery delivery{.id = DeliveryId::make(wall.now(), entropy), .connector = "scans", .device = DeviceId::make(wall.now(), entropy)};
    const auto opened = run(standing->open(connector));
    EXPECT_TRUE(opened);
    auto sealed = run(delegations->seal(*opened, delivery.id));
    EXPECT_TRUE(sealed);
    delivery.grant = opened->grant;
    delivery.public_key = opened->public_key;
    delivery.private_key_sealed = sealed->private_key_sealed;
    sealing.vouch(delivery);
    sealed->batch.emplace_back(store::PutDelivery{delivery});
    commit(std::move(sealed->batch));
    return delivery;
  }
  std::string token_of(const store::Delivery& delivery) {
    const auto token = run(delegations->token(delivery, 60s));
    return token ? std::string(token->access_token.reveal_text()) : token.error().reason;
  }
  void end() {
    store::Batch batch;
    ASSERT_TRUE(run(add_end_of_standing(*store, batch, connector.delegation)));
    commit(std::move(batch));
  }
  std::optional<store::Wrap> own_wrap() {
    const auto wraps = run(store->wraps(grant.id)).value();
    const auto own = find_wrap(wraps, connector.delegation);
    return own == wraps.end() ? std::nullopt : std::optional(*own);
  }

  vault::HotCache hot{{}, entropy, steady};
  const Secret pin{"A good PIN 123"};
  std::optional<vault::KeyPair> keys;
  store::User user;
  store::Grant grant;
  store::Connector connector;
  std::optional<Delegations> delegations;
  std::optional<StandingDelegations> standing;
};

TEST_F(StandingDelegationTest, K4_ItOpensTheAccountWhileNobodyIsThere) {
  EXPECT_EQ(opening(connector), "at1");
  EXPECT_TRUE(*run(standing->lives(connector.delegation)));
}

TEST_F(StandingDelegationTest, K4_WithoutAKeyOfItsOwnNothingOpens) {
  auto other = connector;
  other.delegation.id = DelegationId::make(wall.now(), entropy);
  EXPECT_EQ(opening(other), "record_altered") << "a record that nobody vouches for";
  sealing.vouch(other);
  EXPECT_EQ(opening(other), "delegation_ended");
  auto exchanged = connector;
  exchanged.delegation.private_key_sealed = sealing.seal_connector_key(connector.delegation.id, vault.make_key_pair().private_key);
  EXPECT_EQ(opening(exchanged), "ciphertext_rejected");
  auto none = connector;
  none.delegation = {};
  sealing.vouch(none);
  EXPECT_EQ(opening(none), "delegation_ended");
}

TEST_F(StandingDelegationTest, K3_ItServesItsConnectorsOwnerAndTypeOnly) {
  auto others = connector;
  others.owner = UserId::make(wall.now(), entropy);
  sealing.vouch(others);
  EXPECT_EQ(opening(others), "delegation_ended");
  auto of_another_type = connector;
  of_another_type.type = "acme-grace";
  sealing.vouch(of_another_type);
  EXPECT_EQ(opening(of_another_type), "delegation_ended");
}

TEST_F(StandingDelegationTest, ADeliveryByItHasADelegationOfItsOwn) {
  const auto delivery = accepted();
  EXPECT_EQ(token_of(delivery), "at1");
  end();
  EXPECT_EQ(opening(connector), "delegation_ended");
  EXPECT_EQ(token_of(delivery), "at1") << "what was accepted before goes on";
}

TEST_F(StandingDelegationTest, WhatEndedDuringAnUploadSealsNothing) {
  const auto opened = run(standing->open(connector));
  ASSERT_TRUE(opened);
  const auto seal = [&] {
    const auto sealed = run(delegations->seal(*opened, DeliveryId::make(wall.now(), entropy)));
    return sealed ? "sealed" : sealed.error().reason;
  };
  EXPECT_EQ(seal(), "sealed");
  auto off = *run(store->user(user.id)).value();
  off.enabled = false;
  commit({store::UpdateUser{off}});
  EXPECT_EQ(seal(), "delegation_ended") << "its owner is switched off";
  off = *run(store->user(user.id)).value();
  off.enabled = true;
  commit({store::UpdateUser{off}});
  EXPECT_EQ(seal(), "sealed");
  end();
  EXPECT_EQ(seal(), "delegation_ended");
}

// What ends it and what is accepted by it do not pass each other by.
TEST_F(StandingDelegationTest, K2_AnEndAndAnAcceptanceAreOneAfterTheOther) {
  const auto opened = run(standing->open(connector));
  auto sealed = run(delegations->seal(*opened, DeliveryId::make(wall.now(), entropy)));
  ASSERT_TRUE(sealed);
  end();
  EXPECT_EQ(run(store->commit(sealed->batch)).error().reason, "version");
}

TEST_F(StandingDelegationTest, K2_APinResetTakesItAlong) {
  PinReset reset(*store, vault, sealing, *this, wall);
  auto after = *run(store->user(user.id)).value();
  const auto fresh = vault.make_key_pair();
  after.public_key.assign(fresh.public_key.begin(), fresh.public_key.end());
  auto batch = run(reset.pin_reset(user, after));
  ASSERT_TRUE(batch);
  commit(std::move(*batch));
  advance(1s);
  const auto token = opening(connector);
  EXPECT_NE(token, "at1") << "what was sealed before opens for nobody";
  EXPECT_TRUE(token.starts_with("at")) << token;
}

TEST_F(StandingDelegationTest, K2_AnEndedOneIsNotBroughtBackByAPinReset) {
  end();
  PinReset reset(*store, vault, sealing, *this, wall);
  commit(*run(reset.pin_reset(user, user)));
  EXPECT_FALSE(own_wrap());
  EXPECT_EQ(opening(connector), "delegation_ended");
}

TEST_F(StandingDelegationTest, P5_ItGoesAlongWithARotationOfTheMasterKey) {
  vault.begin_rotation(Secret(Bytes(32, 77)));
  const auto wraps = run(store->wraps(grant.id)).value();
  auto of_grant = renew(sealing, view(grant.id), wraps);
  auto of_connector = renew(sealing, connector);
  EXPECT_EQ(of_grant.unreadable + of_connector.unreadable, 0);
  commit(std::move(of_grant.batch));
  commit(std::move(of_connector.batch));
  vault.end_rotation();
  const auto carried = run(store->connector("scans")).value().value();
  EXPECT_NE(carried.delegation.private_key_sealed, connector.delegation.private_key_sealed);
  EXPECT_EQ(opening(carried), "at1");
}

TEST_F(StandingDelegationTest, P5_ADevicesRecordIsVouchedForUnderTheNewMasterKey) {
  const people::DeviceSeal seal(vault);
  store::Device device{.id = DeviceId::make(wall.now(), entropy), .name = "copier", .name_key = "copier"};
  device.secret_hash = seal.hash_of(device.id, Secret("abc"));
  seal.vouch(device);
  auto altered = device;
  altered.connectors = {"scans"};
  vault.begin_rotation(Secret(Bytes(32, 77)));
  EXPECT_EQ(renew(seal, altered).unreadable, 1) << "renewing never makes an altered record good";
  auto renewal = renew(seal, device);
  ASSERT_EQ(renewal.batch.size(), 1u);
  const auto& renewed = std::get<store::PutDevice>(renewal.batch[0]).device;
  EXPECT_TRUE(renew(seal, renewed).batch.empty());
  vault.end_rotation();
  EXPECT_TRUE(seal.check(renewed));
  EXPECT_EQ(seal.hash_of(device.id, Secret("abc")), device.secret_hash) << "the secret stays good";
}

TEST_F(StandingDelegationTest, ANewOneIsMadeOnlyOfWhatIsStillOpen) {
  hot.put(user.id, user.auth_epoch, pin, keys->private_key);
  auto opened = run(delegations->delegate({.user = user.id, .auth_epoch = user.auth_epoch, .pin = pin.clone()}, "acme-harmless"));
  ASSERT_TRUE(opened);
  opened->auth_epoch = *opened->auth_epoch - 1;
  EXPECT_EQ(run(standing->make(*opened)).error().reason, "invalid_credentials") << "the PIN was changed meanwhile";
  opened->auth_epoch = user.auth_epoch;
  opened->grant_public_key[0] ^= 1;
  EXPECT_EQ(run(standing->make(*opened)).error().reason, "no_such_grant") << "the grant got another pair";
}

}  // namespace
}  // namespace latchkey::grants
