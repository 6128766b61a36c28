#include "grants/key_sharing.h"

#include <algorithm>

#include "base/json.h"
#include "grants/node_desk.h"

namespace latchkey::grants {
namespace {

std::optional<JsonObject> object_of(ByteView octets) {
  if (octets.empty()) return std::nullopt;
  auto parsed = parse_json(base::as_text(octets));
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return std::move(parsed->get_object());
}

Bytes octets_of(const JsonObject& object, std::string_view key) { return base::from_hex(base::string_or(object, key)).value_or(Bytes()); }

}  // namespace

Bytes PreparedKey::to_octets() const {
  return base::to_bytes(boost::json::serialize(JsonObject{{"from", base::to_hex(from)}, {"to", base::to_hex(to)}, {"mark", base::to_hex(mark)}, {"since", base::to_rfc3339(since)},
                                                          {"node", node.text()}, {"machine", machine}, {"path", path}}));
}

std::optional<PreparedKey> PreparedKey::from_octets(ByteView octets) {
  const auto object = object_of(octets);
  if (!object) return std::nullopt;
  return PreparedKey{.from = octets_of(*object, "from"), .to = octets_of(*object, "to"), .mark = octets_of(*object, "mark"),
                     .since = base::from_rfc3339(base::string_or(*object, "since")).value_or(WallTime{}),
                     .node = NodeId::parse(base::string_or(*object, "node")).value_or(NodeId{}), .machine = base::string_or(*object, "machine"),
                     .path = base::string_or(*object, "path")};
}

Bytes HeldKeys::to_octets() const {
  return base::to_bytes(boost::json::serialize(JsonObject{{"run", base::to_hex(run)}, {"writes", base::to_hex(writes)}, {"reads", base::to_hex(reads)},
                                                          {"mark", base::to_hex(mark)},
                                                          {"journal", base::to_hex(journal)}}));
}

std::optional<HeldKeys> HeldKeys::from_octets(ByteView octets) {
  const auto object = object_of(octets);
  if (!object) return std::nullopt;
  return HeldKeys{.run = octets_of(*object, "run"), .writes = octets_of(*object, "writes"), .reads = octets_of(*object, "reads"),
                  .mark = octets_of(*object, "mark"), .journal = octets_of(*object, "journal")};
}

std::string held_keys_meta(NodeId node) { return "master_key_held:" + node.text(); }

Task<Result<RollCall>> call_roll(store::Store& store, NodeId self, std::function<bool(const HeldKeys&)> is_ready) {
  RollCall roll;
  const auto joined = co_await store.meta(std::string(kJoinedMeta));
  if (!joined) co_return std::unexpected(joined.error());
  roll.as_read.push_back(store::CompareMeta{std::string(kJoinedMeta), *joined});
  const auto others = co_await nodes_at_work(store, self);
  if (!others) co_return std::unexpected(others.error());
  for (const auto& node : *others) {
    const auto key = held_keys_meta(node.id);
    auto said = co_await store.meta(key);
    if (!said) co_return std::unexpected(said.error());
    const auto held = HeldKeys::from_octets(*said);
    roll.as_read.push_back(store::CompareMeta{key, *std::move(said)});
    // What a process before it has said counts for nothing: this one may have been started without the key.
    if (!held || node.run.empty() || held->run != node.run || !is_ready(*held)) roll.awaited.push_back(node.name);
  }
  co_return roll;
}

std::string listed(const std::vector<std::string>& names) {
  std::string words;
  for (const auto& name : names) words += (words.empty() ? "" : ", ") + name;
  return words;
}

}  // namespace latchkey::grants
