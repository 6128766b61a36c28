#include "delivery/timeline.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "base/json.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kFirstKept = 10;
constexpr std::string_view kRestored = "restored";
// What a person did: it is kept, and the time for which it is tried begins anew.
bool is_by_hand(std::string_view what) { return what == "retried" || what == "rerouted" || what == kRestored; }

std::string what_of(const Json& entry) { return entry.is_object() ? base::string_or(entry.get_object(), "what") : ""; }

// What was noted, and when (nullopt: that cannot be read), in the order of the road.
void see_moments(const store::Delivery& delivery, const std::function<void(std::string_view what, std::optional<WallTime> at)>& see) {
  const auto parsed = parse_json(delivery.timeline_json);
  if (!parsed || !parsed->is_array()) return;
  for (const auto& entry : parsed->get_array()) {
    if (entry.is_object()) see(what_of(entry), base::from_rfc3339(base::string_or(entry.get_object(), "at")));
  }
}

// The entries that a clock rests on, by their places.
struct Clocks {
  static constexpr auto kNone = std::numeric_limits<std::size_t>::max();
  std::size_t anew = kNone;    // from when it is tried
  std::size_t before = kNone;  // what it waited for then, where no person said so
  std::size_t waits = kNone;   // when it was last parked, or began to wait
  std::size_t renamed = kNone;
  [[nodiscard]] bool rest_on(std::size_t place) const {
    return place == anew || place == before || place == waits || place == renamed;
  }
};

Clocks clocks_of(const JsonArray& entries) {
  Clocks clocks;
  bool waits = false;
  for (std::size_t place = 0; place < entries.size(); ++place) {
    const auto what = what_of(entries[place]);
    if (what == "renamed") {
      clocks.renamed = place;
      continue;  // it waits as it did
    }
    const bool goes_on = waits && (what == "sending" || what == "retry");
    if (goes_on || is_by_hand(what)) {
      clocks.anew = place;
      clocks.before = goes_on ? clocks.waits : Clocks::kNone;
    }
    waits = what == "parked" || what == "waits";
    if (waits) clocks.waits = place;
  }
  return clocks;
}

// Which entry goes for a new one.
std::size_t dullest_of(const JsonArray& entries) {
  const auto clocks = clocks_of(entries);
  auto by_hand = Clocks::kNone;
  for (auto place = kFirstKept; place < entries.size(); ++place) {
    if (clocks.rest_on(place)) continue;
    if (!is_by_hand(what_of(entries[place]))) return place;
    by_hand = std::min(by_hand, place);
  }
  return std::min(by_hand, entries.size() - 1);
}

}  // namespace

void note(store::Delivery& delivery, WallTime at, std::string_view what, std::string_view words) {
  auto parsed = parse_json(delivery.timeline_json);
  JsonArray entries;
  if (parsed && parsed->is_array()) entries = std::move(parsed->get_array());
  if (entries.size() >= kTimelineEntriesMax)
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(dullest_of(entries)));
  entries.push_back(JsonObject{{"at", base::to_rfc3339(at)}, {"what", what}, {"words", words}});
  delivery.timeline_json = boost::json::serialize(entries);
}

WallTime tried_since(const store::Delivery& delivery) {
  const auto parsed = parse_json(delivery.timeline_json);
  if (!parsed || !parsed->is_array()) return delivery.created_at;
  const auto& entries = parsed->get_array();
  const auto anew = clocks_of(entries).anew;
  if (anew == Clocks::kNone) return delivery.created_at;
  return base::from_rfc3339(base::string_or(entries[anew].get_object(), "at")).value_or(delivery.created_at);
}

std::optional<WallTime> last_noted(const store::Delivery& delivery, std::string_view what) {
  std::optional<WallTime> at;
  if (!delivery.timeline_json.contains(what)) return at;
  see_moments(delivery, [&](std::string_view noted, std::optional<WallTime> moment) {
    if (noted == what) at = moment;
  });
  return at;
}

std::optional<WallTime> last_noted(const store::Delivery& delivery) {
  std::optional<WallTime> at;
  see_moments(delivery, [&](std::string_view, std::optional<WallTime> moment) { at = std::max(at, moment); });
  return at;
}

std::optional<WallTime> parked_since(const store::Delivery& delivery) {
  return std::max(last_noted(delivery, "parked"), last_noted(delivery, kRestored));
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
