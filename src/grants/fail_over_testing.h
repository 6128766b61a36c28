// A node among others on a database that another server takes over.
#pragma once

#include <boost/asio/bind_cancellation_slot.hpp>

#include "grants/common_clock.h"
#include "grants/fail_over.h"
#include "grants/falling_back_testing.h"
#include "grants/keeper_testing.h"
#include "grants/key_rotation.h"
#include "grants/nodes.h"

namespace latchkey::grants {

class FailOverHouse : public KeeperHouse {
 protected:
  FailOverHouse() {
    commit({store::PutMeta{std::string(kMasterKeyMeta), vault.master_key_id()}});
    static_cast<void>(lineage.note("cluster/00000001"));
    auto parts = keeper_parts();
    parts.is_counted = [this] { return nodes->is_counted(); };
    parts.may_send = [this] { return watch->may_send(); };
    keeper = std::make_unique<Keeper>(std::move(parts));
    nodes = std::make_unique<Nodes>(Nodes::Parts{.store = *store, .keeper = *keeper, .vault = vault, .alerts = alerts, .wall = common, .steady = steady,
                                                 .entropy = entropy, .log = log, .node = node, .version = "1", .just_taken_over = [this] { return watch->has_just_happened(); }});
    watch = std::make_unique<FailOverWatch>(FailOverWatch::Parts{.store = *store, .keeper = *keeper, .lineage = lineage,
                                                                 .remember = [this](const std::string& name) { return remember(name); }, .alerts = alerts,
                                                                 .steady = steady, .entropy = entropy, .log = log, .node = node, .lease = [] { return Seconds(90); }});
    EXPECT_TRUE(run(nodes->begin()));
  }
  // It looks at the database that it reaches until that is so.
  void look_until(const std::function<bool()>& is_so) {
    boost::asio::cancellation_signal ending;
    auto showing = boost::asio::co_spawn(loop, watch->keep_telling(), boost::asio::bind_cancellation_slot(ending.slot(), boost::asio::use_future));
    base::drive_until(loop, is_so);
    ending.emit(boost::asio::cancellation_type::all);
    base::drive_until(loop, [&] { return showing.wait_for(0s) == std::future_status::ready; });
  }
  Task<bool> say_goodbye(store::Batch conditions) {
    co_await nodes->end(std::move(conditions));
    co_return true;
  }
  void look() {
    look_until([this] { return watch->may_send(); });
  }
  // Another node that shares the store: its process runs, and it has last told what it knows to the database of that lineage.
  void put_other(std::string_view told) {
    commit({store::PutNode{{.id = other, .name = "office-2", .version = "1", .run = Bytes(16, 2), .started_at = wall.now()}}});
    tell_for_other(told);
  }
  void tell_for_other(std::string_view told) { commit({store::PutMeta{"lineage:" + other.text(), base::to_bytes(std::string(told) + " nonce")}}); }
  void take_over() { ASSERT_TRUE(lineage.note("cluster/00000002")); }
  Result<void> remember(const std::string& name) {
    remembered = name;
    return {};
  }
  // While the next request is with the provider.
  void fall_back_before_the_answer(store::GrantView before) {
    transport.before_answer = [this, before = std::move(before)] {
      auto done = boost::asio::co_spawn(loop, fall_back(*store, before), boost::asio::use_future);
      while (done.wait_for(0ms) != std::future_status::ready) loop.run_one_for(1ms);
      ASSERT_TRUE(done.get());
    };
  }
  void pass_leases() {
    advance(91s);
    ASSERT_TRUE(run(nodes->begin()));
  }
  [[nodiscard]] bool alerted() const {
    const auto current = alerts.current();
    return std::ranges::find(current, "fail_over_waits", &Alert::cause) != current.end();
  }

  [[nodiscard]] bool is_waiting() { return run(store->meta("lineage")).value() != base::to_bytes(lineage.sight().name); }

  store::Lineage lineage;
  CommonClock common{wall, [this] { return steady.now().time_since_epoch(); }};
  NodeId other = NodeId::make(base::from_unix_ms(2), entropy);
  std::unique_ptr<Nodes> nodes;
  std::unique_ptr<FailOverWatch> watch;
  std::string remembered;
};

}  // namespace latchkey::grants
