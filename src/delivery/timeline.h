// A document's whole road, and its receipt, as the record keeps them: JSON texts, bounded.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "connectors/connector.h"
#include "store/records.h"

namespace latchkey::delivery {

inline constexpr std::size_t kTimelineEntriesMax = 60;

// Adds {"at", "what", "words"} to the delivery's timeline. `what` is accepted, waits, sending, retry, parked, maybe_sent,
// failed, delivered, retried, rerouted, renamed, released, restored. Of a road that is too long its first ten entries, the latest
// ones, what a person did and what the times below rest on stay.
void note(store::Delivery& delivery, WallTime at, std::string_view what, std::string_view words);

// Since when it has been tried: its acceptance, or the last time that a person sent it again, it was restored from a backup,
// or what it waited for was there.
[[nodiscard]] WallTime tried_since(const store::Delivery& delivery);

// When that was noted last; nullopt: never, or it cannot be read.
[[nodiscard]] std::optional<WallTime> last_noted(const store::Delivery& delivery, std::string_view what);
// The latest moment of its road; nullopt: none can be read.
[[nodiscard]] std::optional<WallTime> last_noted(const store::Delivery& delivery);

// Since when one that is parked waits: it was parked last, or restored from a backup since. nullopt: it cannot be read.
[[nodiscard]] std::optional<WallTime> parked_since(const store::Delivery& delivery);

// Whether nothing has happened to it since it was restored from a backup.
[[nodiscard]] bool is_just_restored(const store::Delivery& delivery);

[[nodiscard]] std::string receipt_json(const connectors::Receipt& receipt, WallTime at);

}  // namespace latchkey::delivery
