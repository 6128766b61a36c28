// Devices as administrators set them up.
#include "people/device_desk.h"

#include "people/devices_testing.h"

namespace latchkey::people {
namespace {

class DeviceDeskTest : public OfficeWithDevices {
 protected:
  std::string adding(NewDevice wish) { return refusal(run(desk.add(std::move(wish), admin))); }
};

TEST_F(DeviceDeskTest, T8_OnlyAHashOfTheSecretIsKept) {
  const auto made = add_device({.name = "Copier 1", .connectors = {"scans"}, .sources = {"192.0.2.10"}});
  EXPECT_EQ(made.secret.size(), 52u);
  const auto kept = stored(made.device.id);
  EXPECT_EQ(kept.name, "Copier 1");
  EXPECT_EQ(kept.name_key, "copier 1");
  EXPECT_EQ(kept.connectors, std::vector<std::string>{"scans"});
  EXPECT_EQ(kept.uses & store::kUseToken, 0u);
  EXPECT_TRUE(device_seal.check(kept));
  EXPECT_TRUE(device_seal.matches(kept, made.secret));
  EXPECT_FALSE(device_seal.matches(kept, Secret(std::string(52, 'a'))));
  auto other = kept;
  other.id = DeviceId::make(wall.now(), entropy);
  EXPECT_FALSE(device_seal.matches(other, made.secret)) << "a hash is worth nothing in another's record";

  const auto trail = run(store->audit({.search = "", .action = "device.added", .user = {}, .page = {}}));
  ASSERT_EQ(trail->items.size(), 1u);
  EXPECT_EQ(trail->items[0].subject, "Copier 1");
  EXPECT_EQ(trail->items[0].detail, "to scans, from 192.0.2.10");
  const auto& entry = trail->items[0];
  EXPECT_EQ((entry.detail + entry.subject + log.text()).find(made.secret.reveal_text()), std::string::npos);
}

TEST_F(DeviceDeskTest, ItsNameIsNobodysAndItsConnectorsAreFixedOnes) {
  add("scan");
  add_device({.name = "copier"});
  EXPECT_EQ(adding({.name = "COPIER"}), "device_name_taken name");
  EXPECT_EQ(adding({.name = "Scan"}), "device_name_taken name") << "a user's";
  EXPECT_EQ(adding({.name = "a:b"}), "invalid_fields name");
  EXPECT_EQ(adding({.name = "new", .connectors = {"nowhere"}}), "invalid_fields connectors");
  EXPECT_EQ(adding({.name = "new", .connectors = {"own"}}), "invalid_fields connectors") << "a device has no account of its own";
  EXPECT_EQ(adding({.name = "new", .sources = {"the copier"}}), "source_malformed sources");
  EXPECT_EQ(adding({.name = "new", .recipient_domains = {"a@b"}}), "invalid_fields recipient_domains");
  EXPECT_EQ(adding({.name = "new", .uses = store::kUseToken}), "invalid_fields uses") << "never a token";
  EXPECT_EQ(run(store->devices())->size(), 1u);
  const auto user = run(directory->add_user({.username = "Copier", .group = group}, admin));
  EXPECT_EQ(refusal(user), "username_taken username");
}

TEST_F(DeviceDeskTest, WhatIsNotNamedStaysAsItIs) {
  const auto made = add_device({.name = "copier", .connectors = {"scans"}, .recipient_domains = {"Example.ORG"}});
  const auto changed = run(desk.change(made.device.id, {.enabled = false}, admin));
  ASSERT_TRUE(changed);
  const auto kept = stored(made.device.id);
  EXPECT_EQ(kept, *changed);
  EXPECT_FALSE(kept.enabled);
  EXPECT_EQ(kept.connectors, std::vector<std::string>{"scans"});
  EXPECT_EQ(kept.recipient_domains, std::vector<std::string>{"example.org"});
  EXPECT_TRUE(device_seal.matches(kept, made.secret)) << "its secret, too";
  EXPECT_EQ(refusal(run(desk.change(DeviceId::make(wall.now(), entropy), {}, admin))), "no_such_device");
}

TEST_F(DeviceDeskTest, ANewSecretEndsTheOneBefore) {
  const auto made = add_device({.name = "copier"});
  pass(1h);
  const auto renewed = run(desk.renew_secret(made.device.id, SecretForm::compact, admin));
  ASSERT_TRUE(renewed);
  EXPECT_EQ(renewed->secret.size(), 32u);
  const auto kept = stored(made.device.id);
  EXPECT_FALSE(device_seal.matches(kept, made.secret));
  EXPECT_TRUE(device_seal.matches(kept, renewed->secret));
  EXPECT_EQ(kept.secret_set_at, wall.now());
}

TEST_F(DeviceDeskTest, P6_ARecordChangedFromOutsideIsRefused) {
  const auto made = add_device({.name = "copier"});
  auto altered = stored(made.device.id);
  altered.connectors = {"scans"};
  ASSERT_TRUE(run(store->commit({store::PutDevice{altered}})));
  EXPECT_EQ(refusal(run(desk.change(made.device.id, {.enabled = true}, admin))), "record_altered");
  EXPECT_EQ(refusal(run(desk.remove(made.device.id, admin))), "done") << "it can be deleted";
  EXPECT_TRUE(run(store->devices())->empty());
}

TEST_F(DeviceDeskTest, ADeletedConnectorsIdIsOnNoDevice) {
  const auto made = add_device({.name = "copier", .connectors = {"scans"}});
  add_device({.name = "archive"});
  store::Batch batch;
  ASSERT_TRUE(run(add_end_of_connector(*store, device_seal, batch, "scans")));
  ASSERT_EQ(batch.size(), 1u);
  ASSERT_TRUE(run(store->commit(std::move(batch))));
  const auto kept = stored(made.device.id);
  EXPECT_TRUE(kept.connectors.empty());
  EXPECT_TRUE(device_seal.check(kept));
}

}  // namespace
}  // namespace latchkey::people
