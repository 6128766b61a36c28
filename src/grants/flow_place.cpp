#include "grants/flow_place.h"

#include "base/json.h"

namespace latchkey::grants {
namespace {

constexpr std::string_view kPlaceMember = "_place";

// An issuer's metadata may name another's token endpoint: only both together are a place.
std::string place(const std::string& issuer, const std::string& token_endpoint) { return issuer + ' ' + token_endpoint; }

}  // namespace

std::string place_of(const ProviderClient& client) { return place(client.endpoints.issuer, client.endpoints.token); }

std::string place_of(const FlowRecord& record) {
  if (record.harvest && !record.harvest->place.empty()) return record.harvest->place;
  // An import pins none; what a browser has begun is pinned before the callback can teach a host of the provider's.
  if (record.token_endpoint.empty() || !record.learned.empty()) return {};
  return place(record.issuer, record.token_endpoint);
}

bool is_where_it_began(const FlowRecord& record, const ProviderClient& client) {
  const auto began = place_of(record);
  return began.empty() || began == place_of(client);
}

std::string extras_with_place(const std::string& extras_json, const std::string& place) {
  if (place.empty()) return extras_json;
  const auto parsed = parse_json(extras_json);
  auto extras = parsed && parsed->is_object() ? parsed->get_object() : JsonObject();
  extras[kPlaceMember] = place;
  return boost::json::serialize(extras);
}

std::string place_in(std::string_view extras_json) {
  const auto parsed = parse_json(extras_json);
  return parsed && parsed->is_object() ? base::string_or(parsed->get_object(), kPlaceMember) : std::string();
}

}  // namespace latchkey::grants
