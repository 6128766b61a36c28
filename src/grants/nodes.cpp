#include "grants/nodes.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "grants/key_rotation.h"
#include "grants/restore_watch.h"

namespace latchkey::grants {
namespace {

constexpr std::size_t kIntentsMax = 100'000;
constexpr int kShutOutLooks = 3;
constexpr int kBeginsMax = 20;  // nodes that begin at the same moment come one after the other

}  // namespace

std::string machine_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string("unknown");
}

Nodes::Nodes(Parts parts) : parts_(std::move(parts)) {
  self_ = {.id = parts_.node, .name = machine_name(), .version = parts_.version, .run = parts_.entropy.bytes(16),
           .started_at = parts_.wall.now()};
}

Task<Result<std::vector<store::Node>>> nodes_at_work(store::Store& store, NodeId self) {
  auto nodes = co_await store.nodes();
  if (!nodes) co_return std::unexpected(nodes.error());
  const auto intents = co_await store.open_intents(kIntentsMax);
  if (!intents) co_return std::unexpected(intents.error());
  const auto has_open = [&](NodeId node) {
    return std::ranges::any_of(*intents, [&](const store::Intent& intent) { return intent.node == node && intent.state == store::IntentState::open; });
  };
  if (intents->size() == kIntentsMax) {
    co_return fail(ErrorKind::conflict, "conflict", "Too many exchanges of all servers are open for it to be seen whose they are. They settle as their servers return; try again then.");
  }
  std::erase_if(*nodes, [&](const store::Node& node) { return node.id == self || (node.run.empty() && !has_open(node.id)); });
  co_return nodes;
}

Task<Result<std::string>> others_at_work(store::Store& store, NodeId self) {
  const auto nodes = co_await nodes_at_work(store, self);
  if (!nodes) co_return std::unexpected(nodes.error());
  std::string names;
  for (const auto& node : *nodes) names += names.empty() ? node.name : ", " + node.name;
  co_return names;
}

// What the store says of keys and nodes is read, then written past only if it still says so.
Task<Result<void>> Nodes::begin() {
  Result<void> done;
  for (int attempt = 0; attempt < kBeginsMax; ++attempt) {
    const auto asked_steady = parts_.steady.now();
    const auto asked_wall = parts_.wall.now();
    const auto key = co_await parts_.store.meta(std::string(kMasterKeyMeta));
    if (!key) co_return std::unexpected(key.error());
    const auto joined = co_await parts_.store.meta(std::string(kJoinedMeta));
    if (!joined) co_return std::unexpected(joined.error());
    const auto before = co_await parts_.store.nodes();
    if (!before) co_return std::unexpected(before.error());
    const auto own = std::ranges::find(*before, self_.id, &store::Node::id);
    if (!begun_) replaced_ = own == before->end() ? Bytes() : own->run;
    if (*key != parts_.vault.master_key_id()) {
      co_return fail(ErrorKind::misconfigured, "master_key_wrong",
                     "The master key was changed at another server meanwhile. Start again, with a copy of the new key file here (beside the old one, by its name with "
                     ".next at the end, will do); nothing was changed.",
                     {.field = "master_key_file"});
    }
    done = co_await parts_.store.commit({store::CompareMeta{std::string(kMasterKeyMeta), *key},
                                         store::CompareMeta{std::string(kJoinedMeta), *joined},
                                         store::PutMeta{std::string(kJoinedMeta), self_.run}, store::PutNode{self_}});
    if (done && !begun_) {
      auto note = co_await parts_.store.meta(std::string(kRestoredMeta));
      if (!note) co_return std::unexpected(note.error());
      restored_note_ = *std::move(note);
    }
    begun_ |= done.has_value();
    if (done) note_shown(asked_steady, asked_wall);
    if (done) co_return co_await look_at_restore();
    if (done.error().reason != "meta" && done.error().kind != ErrorKind::ambiguous) co_return done;
  }
  co_return done;
}

// Whoever is waited for, this node too while it merges, is told to the keeper; who is not here, to people.
Task<Result<void>> Nodes::look_at_restore() {
  const auto note = co_await parts_.store.meta(std::string(kRestoredMeta));
  if (!note) co_return std::unexpected(note.error());
  if (*note != restored_note_) {
    // What the store confirmed to this process, and has forgotten, is read out of the journal at a start.
    give_up("store_restored",
            "The database was put back from an older state while this server was running. It refreshes nothing any more, and others wait for what its "
            "journal kept: restart it.",
            "the database was put back while this server was running");
    co_return Result<void>{};
  }
  auto open = co_await open_restore(parts_.store);
  if (!open) co_return std::unexpected(open.error());
  if (*open) {
    auto& awaited = (*open)->awaited;
    const auto self = std::ranges::find(awaited, self_.id, &store::Node::id);
    if (self != awaited.end() && parts_.keeper.has_merged()) {
      if (auto told = co_await parts_.store.commit({store::PutMeta{merged_meta(self_.id), base::to_bytes((*open)->id)}}); !told) co_return told;
      awaited.erase(self);
    }
    if (awaited.empty()) {
      auto over = co_await parts_.store.commit({store::PutMeta{std::string(kRestoreOverMeta), base::to_bytes((*open)->id)}});
      if (!over) co_return over;
      parts_.log.info("restore_over", {{"restore", (*open)->id}});
    }
  }
  std::string all;
  std::string others;
  for (const auto& node : *open ? (*open)->awaited : std::vector<store::Node>{}) {
    all += (all.empty() ? "" : ", ") + node.name;
    if (node.id != self_.id) others += (others.empty() ? "" : ", ") + node.name + " (" + node.id.text() + ")";
  }
  parts_.keeper.await_nodes(std::move(all));
  if (others.empty()) {
    parts_.alerts.clear("restore_waits");
  } else {
    parts_.alerts.raise("restore_waits",
                        "The database was restored, and newer tokens may be in the journals of servers that have not started since: " + others +
                            ". Accounts whose token came from another server's journal are not refreshed before they have; tokens still good are "
                            "served. Start them; one that is gone for good: `latchkey node forget NODE`.");
  }
  co_return Result<void>{};
}

Task<void> Nodes::end(store::Batch conditions) {
  auto stopped = self_;
  stopped.run.clear();
  auto batch = std::move(conditions);
  batch.push_back(store::TouchNode{self_.id, self_.run});  // not where the name is another process's by now
  batch.push_back(store::PutNode{std::move(stopped)});
  const auto done = co_await parts_.store.commit(std::move(batch));
  if (!done) parts_.log.debug("node_end_not_noted", {{"detail", done.error().detail}});
}

Task<void> Nodes::keep_showing() {
  for (;;) {
    co_await parts_.steady.sleep_for(kShowEvery);
    const auto asked_steady = parts_.steady.now();
    const auto asked_wall = parts_.wall.now();
    const auto shown = co_await parts_.store.commit({store::TouchNode{self_.id, self_.run}}, store::Urgency::bookkeeping);
    if (shown) note_shown(asked_steady, asked_wall);
    if (!shown && shown.error().reason == "gone") co_await look_who_took_the_name();
    if (shown) co_await compare_clocks();
    if (const auto looked = co_await look_at_restore(); !looked) parts_.log.debug("restore_not_looked_at", {{"detail", looked.error().detail}});
  }
}

void Nodes::note_shown(SteadyTime steady, WallTime wall) {
  shown_steady_ = steady;
  shown_wall_ = wall;
}

bool Nodes::is_counted() const {
  const auto passed = std::max<std::chrono::nanoseconds>(parts_.steady.now() - shown_steady_, parts_.wall.now() - shown_wall_);
  return passed < kAliveFor - kShowEvery;
}

Task<void> Nodes::compare_clocks() {
  const auto ahead = co_await parts_.wall.compare(parts_.store);
  if (!ahead) co_return;
  if (std::chrono::abs(*ahead) < kClocksDiffer) {
    parts_.alerts.clear("clocks_differ");
    co_return;
  }
  parts_.alerts.raise("clocks_differ",
                      fmt::format("The clock of {} is {} s {} the database's. Latchkey goes by the database's, so no token is handed out too late or asked "
                                  "for too often; providers and certificates go by the true time. Set both clocks (NTP).",
                                  self_.name, std::chrono::abs(*ahead).count() / 1000, *ahead > Milliseconds(0) ? "behind" : "ahead of"));
}

// Forgotten while it was away for long: it is there again, if the master key is still its own. Another process by its name: one of
// the two must not go on, and the younger one does not know of this one.
Task<void> Nodes::look_who_took_the_name() {
  const auto nodes = co_await parts_.store.nodes();
  if (!nodes) co_return;
  // Whoever began before this process did was replaced by it: the store has fallen back to a moment before that.
  const auto shown = std::ranges::find_if(*nodes, [this](const store::Node& node) { return node.id == self_.id && !node.run.empty(); });
  const bool fell_back = shown != nodes->end() && shown->run == replaced_;
  const bool taken = shown != nodes->end() && !fell_back && shown->started_at >= self_.started_at;
  if (fell_back) replaced_.clear();  // once: of two that replace each other, one must give up
  if (taken) {
    give_up("node_name_taken",
            "Another server runs with a copy of this node's data directory; this one refreshes nothing any more. Stop one of the "
            "two, remove the file `node` from the copy, and start both again.",
            "another server runs with this node's name");
    co_return;
  }
  const auto again = co_await begin();
  if (again || again.error().kind != ErrorKind::misconfigured) {
    shut_out_looks_ = 0;
    co_return;
  }
  if (++shut_out_looks_ < kShutOutLooks) co_return;  // it may hold the new key, and follow in a moment (key_following.cpp)
  give_up("node_shut_out", again.error().text, "this server was declared lost, and the master key was changed since");
}

void Nodes::give_up(std::string cause, std::string words, std::string why) {
  parts_.alerts.raise(std::move(cause), std::move(words));
  parts_.keeper.halt(std::move(why));
}

Task<Result<std::vector<NodeView>>> nodes_seen(store::Store& store, NodeId self) {
  const auto nodes = co_await store.nodes();
  if (!nodes) co_return std::unexpected(nodes.error());
  const auto now = co_await store.now();
  if (!now) co_return std::unexpected(now.error());
  std::vector<NodeView> views;
  for (const auto& node : *nodes) {
    NodeView view{.node = node, .here = node.id == self};
    view.stopped = !view.here && node.run.empty();
    view.alive = view.here || (!view.stopped && *now < node.seen_at + Nodes::kAliveFor);
    views.push_back(std::move(view));
  }
  co_return views;
}

Task<Result<std::vector<NodeView>>> Nodes::list() {
  auto views = co_await nodes_seen(parts_.store, self_.id);
  if (!views) co_return std::unexpected(views.error());
  const auto intents = co_await parts_.store.open_intents(kIntentsMax);
  if (!intents) co_return std::unexpected(intents.error());
  for (auto& view : *views) {
    view.open_exchanges = std::ranges::count_if(*intents, [&](const store::Intent& intent) {
      return intent.node == view.node.id && intent.state == store::IntentState::open;
    });
  }
  co_return views;
}

Task<Result<void>> Nodes::forget(NodeId node, Requester requester) {
  const auto known = co_await list();
  if (!known) co_return std::unexpected(known.error());
  const auto found = std::ranges::find(*known, node, [](const NodeView& view) { return view.node.id; });
  if (found == known->end()) {
    co_return fail(ErrorKind::not_found, "no_such_node", "There is no such node. `latchkey node list` shows all of them.");
  }
  const bool unknown = parts_.just_taken_over && parts_.just_taken_over();
  if (unknown && !found->stopped) {
    co_return fail(ErrorKind::conflict, "node_alive",
                   "Another database server has taken over within the last minute, and whether this node runs cannot be told yet. Try again in a minute.");
  }
  if (found->alive) {
    co_return fail(ErrorKind::conflict, "node_alive",
                   "This node is running (or was a moment ago): stop it first and wait half a minute. Only a node that does not come back is "
                   "forgotten, since the replies in its journal count.");
  }
  auto intents = co_await parts_.store.open_intents(kIntentsMax);
  if (!intents) co_return std::unexpected(intents.error());
  if (intents->size() == kIntentsMax) {
    // Those that were opened last are not among what was read: with the node's row, the only sign of them would go.
    co_return fail(ErrorKind::conflict, "conflict",
                   "Too many exchanges of all servers are open for it to be seen which are this node's. They settle as their servers return, or are forgotten one by one; try again then.");
  }
  std::erase_if(*intents, [&](const store::Intent& intent) { return intent.node != node || intent.state != store::IntentState::open; });
  const auto unsettled = co_await parts_.keeper.settle_lost(*std::move(intents), "The node that had asked was declared lost.");
  if (!unsettled.empty()) {
    co_return fail(ErrorKind::unavailable, "store_unavailable", "What this node had left under way could not be settled: nothing was forgotten. Try again in a moment.",
                   {.retry_after = Seconds(5)});
  }
  store::Batch batch;
  batch.push_back(store::DeleteNode{node});
  batch.push_back(store::AppendAudit{{.at = parts_.wall.now(), .actor = requester.actor, .action = "node.forgotten", .subject = found->node.name,
                                      .source = requester.source, .detail = node.text()}});
  co_return co_await parts_.store.commit(std::move(batch));
}

}  // namespace latchkey::grants
