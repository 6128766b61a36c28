// Connectors and deliveries.
#include <algorithm>

#include "store/exercise_testing.h"

namespace latchkey::store {
namespace {

using namespace std::chrono_literals;

TEST_P(StoreExercise, ConnectorsAreKeptWholeAndById) {
  EXPECT_TRUE(ask(store().connectors()).empty());
  auto scans = connector("scans");
  auto bills = connector("bills");
  bills.account = AccountKind::caller;
  bills.owner = {};
  bills.groups.clear();
  bills.delegation = {};
  bills.enabled = false;
  put({PutConnector{scans}, PutConnector{bills}});
  scans.version = bills.version = 1;
  EXPECT_EQ(ask(store().connectors()), (std::vector{bills, scans}));
  EXPECT_EQ(ask(store().connector("scans")), scans);
  EXPECT_EQ(ask(store().connector("Scans")), std::nullopt);

  const auto again = refusal({PutConnector{connector("scans")}});
  EXPECT_EQ(again.reason, "exists");
  EXPECT_EQ(again.field, "id");
  scans.name = "Scans of the front office";
  put({PutConnector{scans}});
  EXPECT_EQ(refusal({PutConnector{scans}}).reason, "version") << "somebody else changed it";
  scans.version = 2;
  reopen();
  EXPECT_EQ(ask(store().connector("scans")), scans);
  put({DeleteConnector{"scans"}});
  EXPECT_EQ(refusal({DeleteConnector{"scans"}}).reason, "gone");
  EXPECT_EQ(refusal({PutConnector{scans}}).reason, "gone");
}

TEST_P(StoreExercise, DeliveriesAreKeptWhole) {
  auto one = delivery("scans");
  put({PutDelivery{one}});
  one.version = 1;
  EXPECT_EQ(ask(store().delivery(one.id)), one);
  one.state = DeliveryState::delivered;
  one.document_key_sealed.clear();
  one.private_key_sealed.clear();
  put({PutDelivery{one}});
  EXPECT_EQ(refusal({PutDelivery{one}}).reason, "version") << "of two that end it, one does";
  one.version = 2;
  reopen();
  EXPECT_EQ(ask(store().delivery(one.id)), one);
  EXPECT_EQ(ask(store().delivery(id<DeliveryId>())), std::nullopt);
  put({DeleteDelivery{one.id}});
  EXPECT_EQ(ask(store().delivery(one.id)), std::nullopt);
  EXPECT_EQ(refusal({DeleteDelivery{one.id}}).reason, "gone");
}

TEST_P(StoreExercise, DeliveriesInWorkComeDueOnTheirNode) {
  const auto here = id<NodeId>();
  const auto add = [&](DeliveryState state, Milliseconds after, NodeId node) {
    auto made = delivery("scans");
    made.state = state;
    made.due_at = now() + after;
    made.node = node;
    put({PutDelivery{made}});
    made.version = 1;
    return made;
  };
  const auto later = add(DeliveryState::queued, 10s, here);
  const auto sending = add(DeliveryState::sending, 0s, here);
  const auto parked = add(DeliveryState::parked, -1s, here);
  add(DeliveryState::queued, 0s, id<NodeId>());
  add(DeliveryState::maybe_sent, 0s, here);
  add(DeliveryState::failed, 0s, here);
  add(DeliveryState::delivered, 0s, here);
  EXPECT_EQ(ask(store().due_deliveries(here, now(), 10)), (std::vector{parked, sending})) << "soonest first";
  EXPECT_EQ(ask(store().due_deliveries(here, now() + 10s, 10)), (std::vector{parked, sending, later}));
  EXPECT_EQ(ask(store().due_deliveries(here, now(), 1)), std::vector{parked});
}

TEST_P(StoreExercise, DeliveriesAreListedNewestFirstAndFiltered) {
  const auto ann = id<UserId>();
  std::vector<Delivery> all;
  for (int i = 0; i < 7; ++i) {
    auto made = delivery(i % 2 == 0 ? "scans" : "bills");
    made.submitter = i < 4 ? ann : id<UserId>();
    made.state = i == 6 ? DeliveryState::failed : DeliveryState::queued;
    put({PutDelivery{made}});
    made.version = 1;
    all.insert(all.begin(), made);
    clock_.advance(1ms);
  }
  EXPECT_EQ(ask(store().deliveries({})).items, all);
  DeliveryQuery query{.page = {.cursor = {}, .limit = 3}};
  std::vector<Delivery> paged;
  do {
    const auto page = ask(store().deliveries(query));
    EXPECT_EQ(page.total, 7);
    EXPECT_LE(page.items.size(), 3U);
    paged.insert(paged.end(), page.items.begin(), page.items.end());
    query.page.cursor = page.next_cursor;
  } while (!query.page.cursor.empty());
  EXPECT_EQ(paged, all);

  const auto hers = ask(store().deliveries({.submitter = ann}));
  EXPECT_EQ(hers.items, std::vector(all.begin() + 3, all.end()));
  EXPECT_EQ(hers.total, 4);
  EXPECT_EQ(ask(store().deliveries({.connector = "bills"})).total, 3);
  EXPECT_EQ(ask(store().deliveries({.state = DeliveryState::failed})).items, std::vector{all.front()});
  EXPECT_EQ(ask(store().deliveries({.submitter = ann, .connector = "scans"})).total, 2);
  const auto nonsense = wait_for(store().deliveries({.page = {.cursor = "nonsense"}}));
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().reason, "cursor");
}

TEST_P(StoreExercise, DeliveriesAreCountedByState) {
  EXPECT_TRUE(ask(store().delivery_states()).empty());
  auto one = delivery("scans");
  auto two = delivery("scans");
  auto failed = delivery("scans");
  two.size_bytes = 5;
  failed.state = DeliveryState::failed;
  failed.size_bytes = 0;
  put({PutDelivery{one}, PutDelivery{two}, PutDelivery{failed}});
  EXPECT_EQ(ask(store().delivery_states()), (std::vector<DeliveryStateCount>{{DeliveryState::queued, 2, one.size_bytes + 5},
                                                                             {DeliveryState::failed, 1, 0}}));
}

TEST_P(StoreExercise, DeliveriesAreWalkedThrough) {
  std::vector<Delivery> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(delivery("scans"));
    put({PutDelivery{all.back()}});
    all.back().version = 1;
  }
  std::ranges::sort(all, {}, &Delivery::id);
  std::vector<Delivery> seen;
  DeliveryId after;
  for (;;) {
    const auto page = ask(store().deliveries_after(after, 2));
    if (page.empty()) break;
    seen.insert(seen.end(), page.begin(), page.end());
    after = page.back().id;
  }
  EXPECT_EQ(seen, all);
}

}  // namespace
}  // namespace latchkey::store
