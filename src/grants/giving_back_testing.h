// A house whose grants are given back: what the tests of giving back and of switching off share.
#pragma once

#include <algorithm>
#include <vector>

#include "grants/grant_care.h"
#include "grants/keeper_testing.h"
#include "grants/switch_off.h"

namespace latchkey::grants {

class GivingBackHouse : public KeeperHouse {
 protected:
  using GrantState = store::GrantState;
  // Another grant that rests on the same consent.
  store::Grant put_sharer(const store::Grant& grant) {
    auto other = put_grant("acme-grace");
    other.account_id = grant.account_id;
    sealing.vouch(other);
    commit({store::UpdateGrant{other}});
    other.version += 1;
    return other;
  }
  // Another grant of its account, which waits for a person.
  void put_dead_sharer(const store::Grant& grant) {
    auto dead = put_grant("acme-grace");
    dead.account_id = grant.account_id;
    dead.state = GrantState::needs_authorization;
    sealing.vouch(dead);
    commit({store::UpdateGrant{dead}});
  }
  // Nobody knows whose it is.
  store::Grant put_unnamed(const std::string& type) {
    auto grant = put_grant(type);
    grant.account_id.clear();
    sealing.vouch(grant);
    commit({store::UpdateGrant{grant}});
    grant.version += 1;
    return grant;
  }
  GivingBackHouse() : care(*store, sealing, *clients, *keeper, *giving_back, transport, *this, wall, log) {}
  std::vector<store::Revocation> waiting() { return run(store->revocations(WallTime::max(), 100))->items; }
  std::ptrdiff_t unrevoked() {
    const auto all = run(store->grants_after({}, 100));
    return std::ranges::count_if(*all, [](const store::Grant& grant) { return grant.state != GrantState::revoked; });
  }
  // The claim is one commit, its outcome another.
  store::Revocation after_attempt(int number) {
    base::drive_until(loop, [&] { return !waiting().empty() && waiting()[0].version == 1 + 2 * number; });
    return waiting()[0];
  }
  static Task<bool> stopped(GivingBack& giving_back) {
    co_await giving_back.stop();
    co_return true;
  }
  void until_empty() {
    base::drive_until(loop, [&] { return waiting().empty(); });
  }
  // What was switched off long ago may go now, and is not to be had yet.
  void expect_tried_and_not_given_up() {
    giving_back->nudge();
    base::drive_until(loop, [&] { return waiting().empty() || waiting()[0].attempts == 1; });
    ASSERT_EQ(waiting().size(), 1u) << "given up at its first try";
  }
  // A switched-off grant that waits for another, which comes to need a new consent.
  void expect_revoked_when_it_goes(const store::Grant& grant, store::Grant other) {
    other.state = GrantState::needs_authorization;
    sealing.vouch(other);
    commit({store::UpdateGrant{other}});
    advance(6h);
    giving_back->nudge();
    until_empty();
    EXPECT_EQ(transport.revoked.size(), 1u);
    EXPECT_EQ(view(grant.id).grant.state, GrantState::revoked);
  }
  GrantCare care;
};

}  // namespace latchkey::grants
