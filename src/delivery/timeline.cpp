#include "delivery/timeline.h"

#include "base/json.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kFirstKept = 10;

}  // namespace

void note(store::Delivery& delivery, WallTime at, std::string_view what, std::string_view words) {
  auto parsed = parse_json(delivery.timeline_json);
  JsonArray entries;
  if (parsed && parsed->is_array()) entries = std::move(parsed->get_array());
  if (entries.size() >= kTimelineEntriesMax) entries.erase(entries.begin() + kFirstKept);
  entries.push_back(JsonObject{{"at", base::to_rfc3339(at)}, {"what", what}, {"words", words}});
  delivery.timeline_json = boost::json::serialize(entries);
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
