// Who may use which connector (RULES G1).
#include "delivery/routing.h"

#include <gtest/gtest.h>

#include "base/entropy.h"

namespace latchkey::delivery {
namespace {

class RoutingTest : public testing::Test {
 protected:
  template <class Id>
  Id id() {
    return Id::make(WallTime{}, entropy);
  }
  store::Connector stood_for(store::Connector connector) {
    connector.delegation.id = id<DelegationId>();
    return connector;
  }

  base::SeededEntropy entropy{5};
  GroupId office = id<GroupId>();
  store::User owner{.id = id<UserId>(), .group = id<GroupId>()};
  store::User member{.id = id<UserId>(), .group = office};
  store::User stranger{.id = id<UserId>(), .group = id<GroupId>()};
  store::Device copier{.id = id<DeviceId>(), .name = "copier", .connectors = {"bills", "scans"}};
  store::Device other{.id = id<DeviceId>(), .name = "other", .connectors = {"bills"}};
  store::Connector fixed{.id = "scans", .account = store::AccountKind::fixed, .owner = owner.id, .groups = {office.text()}};
  store::Connector own{.id = "scans", .account = store::AccountKind::caller, .groups = {office.text()}};
};

TEST_F(RoutingTest, ACallerConnectorServesItsGroupsAndNobodyElse) {
  EXPECT_TRUE(may_use(member, own));
  EXPECT_FALSE(may_use(stranger, own));
  EXPECT_FALSE(may_use(copier, own)) << "a device has no account of its own";
  EXPECT_FALSE(folder_may_use(own));
  EXPECT_FALSE(may_use(copier, stood_for(own))) << "whatever its record says";
  EXPECT_TRUE(opens_by_pin(member.id, own));
}

TEST_F(RoutingTest, AFixedConnectorServesItsOwnerAloneUntilThePinWasGiven) {
  EXPECT_TRUE(may_use(owner, fixed));
  EXPECT_TRUE(opens_by_pin(owner.id, fixed));
  EXPECT_FALSE(may_use(member, fixed));
  EXPECT_FALSE(may_use(copier, fixed));
  EXPECT_FALSE(folder_may_use(fixed));
}

TEST_F(RoutingTest, WithAStandingDelegationItServesGroupsDevicesAndTheFolder) {
  const auto standing = stood_for(fixed);
  EXPECT_TRUE(may_use(owner, standing));
  EXPECT_TRUE(may_use(member, standing));
  EXPECT_FALSE(opens_by_pin(member.id, standing)) << "a member's PIN opens the member's own grants";
  EXPECT_FALSE(may_use(stranger, standing));
  EXPECT_TRUE(may_use(copier, standing));
  EXPECT_FALSE(may_use(other, standing));
  EXPECT_TRUE(folder_may_use(standing));
}

TEST_F(RoutingTest, WhatIsSwitchedOffServesNobody) {
  auto off = stood_for(fixed);
  off.enabled = false;
  EXPECT_FALSE(may_use(owner, off));
  EXPECT_FALSE(may_use(copier, off));
  EXPECT_FALSE(folder_may_use(off));
  auto gone = member;
  gone.enabled = false;
  EXPECT_FALSE(may_use(gone, stood_for(fixed)));
  auto unplugged = copier;
  unplugged.enabled = false;
  EXPECT_FALSE(may_use(unplugged, stood_for(fixed)));
}

}  // namespace
}  // namespace latchkey::delivery
