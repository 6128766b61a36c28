#include "doctor/endpoints_in_use.h"

#include <algorithm>

namespace latchkey::doctor {

namespace {

void add(std::vector<OriginInUse>& origins, const std::string& url, const std::string& what) {
  const auto parsed = oauth::parse_url(url);
  if (url.empty() || !parsed) return;
  const auto origin = parsed->origin();
  auto found = std::ranges::find(origins, origin, &OriginInUse::origin);
  if (found == origins.end()) {
    origins.push_back({.origin = origin, .url = url, .for_what = {}});
    found = std::prev(origins.end());
  }
  if (std::ranges::find(found->for_what, what) == found->for_what.end()) found->for_what.push_back(what);
}

}  // namespace

std::vector<OriginInUse> origins_in_use(const Survey& survey) {
  std::vector<OriginInUse> out;
  for (const auto& app : survey.apps) {
    for (const auto& each : app.types) {
      const auto& type = each.type;
      if (!app.cloud_address.empty()) add(out, app.cloud_address, "the Cloud Service");
      // What the service does for this office it does from where it stands.
      if (!app.cloud_exchanges) add(out, type.endpoints.token, "tokens of " + app.name);
      if (type.provider->discovery_fills_endpoints) add(out, type.discovery, "the description of " + app.name);
      if (type.account.source == catalog::AccountSource::request) add(out, type.account.url, "accounts of " + app.name);
      if (!app.cloud_exchanges) add(out, type.endpoints.revocation, "revocation at " + app.name);
      add(out, type.endpoints.device_authorization, "device codes of " + app.name);
    }
  }
  return out;
}

}  // namespace latchkey::doctor
