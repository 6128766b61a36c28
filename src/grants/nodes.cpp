#include "grants/nodes.h"

#include <unistd.h>

#include <algorithm>

namespace latchkey::grants {
namespace {

constexpr std::size_t kIntentsMax = 100'000;

std::string machine_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string("unknown");
}

}  // namespace

Nodes::Nodes(Parts parts) : parts_(std::move(parts)) {
  self_ = {.id = parts_.node, .name = machine_name(), .version = parts_.version, .run = parts_.entropy.bytes(16),
           .started_at = parts_.wall.now()};
}

Task<Result<void>> Nodes::begin() { co_return co_await parts_.store.commit({store::PutNode{self_}}); }

Task<void> Nodes::keep_showing() {
  for (;;) {
    co_await parts_.steady.sleep_for(kShowEvery);
    const auto shown = co_await parts_.store.commit({store::TouchNode{self_.id, self_.run}}, store::Urgency::bookkeeping);
    if (!shown && shown.error().reason == "gone") co_await look_who_took_the_name();
  }
}

// Forgotten while it was away for long: it is there again. Another process by its name: one of the two must not go on, and the
// younger one does not know of this one.
Task<void> Nodes::look_who_took_the_name() {
  const auto nodes = co_await parts_.store.nodes();
  if (!nodes) co_return;
  const bool taken = std::ranges::any_of(*nodes, [this](const store::Node& node) { return node.id == self_.id; });
  if (!taken) {
    [[maybe_unused]] const auto again = co_await begin();
    co_return;
  }
  parts_.alerts.raise("node_name_taken",
                      "Another server runs with a copy of this node's data directory; this one refreshes nothing any more. Stop one of the "
                      "two, remove the file `node` from the copy, and start both again.");
  parts_.keeper.halt("another server runs with this node's name");
}

Task<Result<std::vector<NodeView>>> Nodes::list() {
  const auto nodes = co_await parts_.store.nodes();
  if (!nodes) co_return std::unexpected(nodes.error());
  const auto now = co_await parts_.store.now();
  if (!now) co_return std::unexpected(now.error());
  const auto intents = co_await parts_.store.unsettled_intents(kIntentsMax);
  if (!intents) co_return std::unexpected(intents.error());
  std::vector<NodeView> views;
  for (const auto& node : *nodes) {
    NodeView view{.node = node, .here = node.id == self_.id, .alive = node.id == self_.id || *now < node.seen_at + kAliveFor};
    view.open_exchanges = std::ranges::count_if(*intents, [&](const store::Intent& intent) {
      return intent.node == node.id && intent.state == store::IntentState::open;
    });
    views.push_back(std::move(view));
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
  if (found->alive) {
    co_return fail(ErrorKind::conflict, "node_alive",
                   "This node is running (or was a moment ago): stop it first and wait half a minute. Only a node that does not come back is "
                   "forgotten, since the replies in its journal count.");
  }
  auto intents = co_await parts_.store.unsettled_intents(kIntentsMax);
  if (!intents) co_return std::unexpected(intents.error());
  std::erase_if(*intents, [&](const store::Intent& intent) { return intent.node != node || intent.state != store::IntentState::open; });
  co_await parts_.keeper.settle_lost(*std::move(intents), "The node that had asked was declared lost.");
  store::Batch batch;
  batch.push_back(store::DeleteNode{node});
  batch.push_back(store::AppendAudit{{.at = parts_.wall.now(), .actor = requester.actor, .action = "node.forgotten", .subject = found->node.name,
                                      .source = requester.source, .detail = node.text()}});
  co_return co_await parts_.store.commit(std::move(batch));
}

}  // namespace latchkey::grants
