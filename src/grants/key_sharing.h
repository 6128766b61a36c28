// What the servers of one database tell each other of a new master key, through the store (RULES K1, K5, K10;
// docs/design/keys-and-backup.md). The key itself goes from hand to hand: whoever has the old one and a copy of the database must not
// find the new one in it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "store/store.h"

namespace latchkey::grants {

// Store key (Store::meta) of a key that is to come, and waits until every server holds it.
inline constexpr std::string_view kPreparedMeta = "master_key_prepared";

struct PreparedKey {
  Bytes from;  // ids of the keys
  Bytes to;
  Bytes mark;  // of this preparation: the same key may be given up, lost by a server, and prepared again
  WallTime since{};
  NodeId node{};        // which begins once all hold it
  std::string machine;  // its name
  std::string path;     // where the new key lies there

  [[nodiscard]] Bytes to_octets() const;
  [[nodiscard]] static std::optional<PreparedKey> from_octets(ByteView octets);
};

// What a server's process says of the keys it holds, by their ids; empty: none.
struct HeldKeys {
  Bytes run;      // the process (store::Node)
  Bytes writes;   // what it seals under
  Bytes reads;    // a second one, which it opens with
  Bytes mark;     // of the preparation whose key it holds in a file
  Bytes journal;  // the one that all replies on its journal are under, and have been for a rest (registry keys.rotation_rest)

  [[nodiscard]] Bytes to_octets() const;
  [[nodiscard]] static std::optional<HeldKeys> from_octets(ByteView octets);
  friend bool operator==(const HeldKeys&, const HeldKeys&) = default;
};
[[nodiscard]] std::string held_keys_meta(NodeId node);

// The other servers that count (node_desk.h: others_at_work), by whether they are as far as asked.
struct RollCall {
  std::vector<std::string> awaited;  // machines' names of those that are not
  store::Batch as_read;              // commits only while nobody has come, and nobody says something else
};
[[nodiscard]] Task<Result<RollCall>> call_roll(store::Store& store, NodeId self, std::function<bool(const HeldKeys&)> is_ready);

[[nodiscard]] std::string listed(const std::vector<std::string>& names);  // by commas

}  // namespace latchkey::grants
