#include "delivery/restored_deliveries.h"

#include <gtest/gtest.h>

#include <set>

#include "base/fakes_testing.h"
#include "delivery/timeline.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_testing.h"

namespace latchkey::delivery {
namespace {

using store::DeliveryState;
using store::wait_for;

class RestoredDeliveriesTest : public ::testing::Test {
 protected:
  store::Delivery put(DeliveryState state, NodeId node = {}) {
    store::Delivery one{.id = DeliveryId::make(wall_.now(), entropy_),
                        .connector = "scans",
                        .node = node,
                        .state = state,
                        .created_at = wall_.now()};
    EXPECT_TRUE(wait_for(store_->commit({store::PutDelivery{one}})));
    here_.insert(one.id);
    return one;
  }
  store::Delivery look(const store::Delivery& one) { return **wait_for(store_->delivery(one.id)); }
  RestoredDeliveries mark(std::optional<NodeId> node = std::nullopt, bool nothing_ran_since = false) {
    const auto marked =
        wait_for(mark_restored_deliveries(*store_, {.backup_at = wall_.now(),
                                                    .now = wall_.now(),
                                                    .nothing_ran_since = nothing_ran_since,
                                                    .node = node,
                                                    .has_document = [this](DeliveryId id) { return here_.contains(id); }}));
    EXPECT_TRUE(marked);
    return *marked;
  }

  store::TemporaryDirectory directory_;
  base::SystemWallClock wall_;
  base::SystemEntropy entropy_;
  base::MemoryLog log_;
  std::unique_ptr<store::Store> store_ = *store::open_sqlite_store({.path = directory_.path() + "/store.db"}, wall_, log_);
  std::set<DeliveryId> here_;
};

TEST_F(RestoredDeliveriesTest, F10_WhatWasInWorkMayHaveBeenSentSince) {
  const auto queued = put(DeliveryState::queued);
  const auto parked = put(DeliveryState::parked);
  const auto failed = put(DeliveryState::failed);
  const auto delivered = put(DeliveryState::delivered);
  EXPECT_EQ(mark().in_doubt, 2);
  for (const auto& one : {queued, parked}) {
    EXPECT_EQ(look(one).state, DeliveryState::sending);
    EXPECT_TRUE(is_just_restored(look(one)));
  }
  EXPECT_EQ(look(failed).state, DeliveryState::failed) << "a person decides";
  EXPECT_EQ(look(delivered).state, DeliveryState::delivered);
  EXPECT_EQ(mark().in_doubt, 0) << "marked once";
}

TEST_F(RestoredDeliveriesTest, F10_WhatHadLeftTheServerIsForAPerson) {
  const auto gone = put(DeliveryState::queued);
  const auto failed = put(DeliveryState::failed);
  here_.clear();
  EXPECT_EQ(mark(std::nullopt, true).without_document, 2);
  for (const auto& one : {gone, failed}) {
    EXPECT_EQ(look(one).state, DeliveryState::maybe_sent);
    EXPECT_NE(look(one).why.find("delivered or deleted"), std::string::npos);
  }
  EXPECT_EQ(mark().without_document, 0);
}

TEST_F(RestoredDeliveriesTest, WhereNothingRanSinceEverythingIsAsItWas) {
  const auto queued = put(DeliveryState::queued);
  EXPECT_EQ(mark(std::nullopt, true).in_doubt, 0);
  EXPECT_EQ(look(queued).state, DeliveryState::queued);
}

TEST_F(RestoredDeliveriesTest, F10_OfAnotherNodesSpoolNothingIsKnown) {
  const auto mine = NodeId::make(wall_.now(), entropy_);
  const auto theirs = NodeId::make(wall_.now(), entropy_);
  const auto here = put(DeliveryState::queued, mine);
  const auto there = put(DeliveryState::queued, theirs);
  here_.clear();
  EXPECT_EQ(mark(mine).without_document, 1);
  EXPECT_EQ(look(here).state, DeliveryState::maybe_sent);
  EXPECT_EQ(look(there).state, DeliveryState::sending);
  EXPECT_EQ(mark(theirs).without_document, 1) << "the verb was run there, too";
  EXPECT_EQ(look(there).state, DeliveryState::maybe_sent);
}

// More of them than one commit takes.
TEST_F(RestoredDeliveriesTest, AllOfThemAreMarked) {
  for (int i = 0; i < 250; ++i) put(DeliveryState::queued);
  EXPECT_EQ(mark().in_doubt, 250);
}

}  // namespace
}  // namespace latchkey::delivery
