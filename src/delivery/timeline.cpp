#include "delivery/timeline.h"

#include <algorithm>

#include "base/json.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kFirstKept = 10;
constexpr std::string_view kRestored = "restored";
// What a person did: it is kept, and the time for which it is tried begins anew.
bool is_by_hand(std::string_view what) { return what == "retried" || what == "rerouted" || what == kRestored; }

std::string what_of(const Json& entry) { return entry.is_object() ? base::string_or(entry.get_object(), "what") : ""; }

}  // namespace

void note(store::Delivery& delivery, WallTime at, std::string_view what, std::string_view words) {
  auto parsed = parse_json(delivery.timeline_json);
  JsonArray entries;
  if (parsed && parsed->is_array()) entries = std::move(parsed->get_array());
  if (entries.size() >= kTimelineEntriesMax) {
    const auto later = std::next(entries.begin(), kFirstKept);
    const auto dull =
        std::ranges::find_if(later, entries.end(), [](const Json& entry) { return !is_by_hand(what_of(entry)); });
    entries.erase(dull == entries.end() ? later : dull);
  }
  entries.push_back(JsonObject{{"at", base::to_rfc3339(at)}, {"what", what}, {"words", words}});
  delivery.timeline_json = boost::json::serialize(entries);
}

WallTime tried_since(const store::Delivery& delivery) {
  auto since = delivery.created_at;
  const auto parsed = parse_json(delivery.timeline_json);
  if (!parsed || !parsed->is_array()) return since;
  std::string before;
  for (const auto& entry : parsed->get_array()) {
    const auto what = what_of(entry);
    const bool waited = before == "parked" || before == "waits";
    const bool anew = is_by_hand(what) || (waited && (what == "sending" || what == "retry"));
    if (const auto at = anew ? base::from_rfc3339(base::string_or(entry.get_object(), "at")) : std::nullopt) since = *at;
    before = what;
  }
  return since;
}

std::optional<WallTime> last_noted(const store::Delivery& delivery, std::string_view what) {
  std::optional<WallTime> at;
  if (!delivery.timeline_json.contains(what)) return at;
  const auto parsed = parse_json(delivery.timeline_json);
  if (!parsed || !parsed->is_array()) return at;
  for (const auto& entry : parsed->get_array()) {
    if (what_of(entry) == what) at = base::from_rfc3339(base::string_or(entry.get_object(), "at"));
  }
  return at;
}

bool is_just_restored(const store::Delivery& delivery) {
  const auto parsed = parse_json(delivery.timeline_json);
  return parsed && parsed->is_array() && !parsed->get_array().empty() && what_of(parsed->get_array().back()) == kRestored;
}

std::string receipt_json(const connectors::Receipt& receipt, WallTime at) {
  return boost::json::serialize(JsonObject{{"id", receipt.id},
                                           {"link", receipt.link},
                                           {"path", receipt.path},
                                           {"size", receipt.size_bytes},
                                           {"hash", receipt.hash},
                                           {"proof", connectors::name_of(receipt.proof)},
                                           {"delivered_at", base::to_rfc3339(at)}});
}

}  // namespace latchkey::delivery
