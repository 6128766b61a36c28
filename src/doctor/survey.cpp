#include "doctor/survey.h"

#include <algorithm>
#include <map>

#include "catalog/step_link.h"
#include "cloud/service.h"
#include "grants/provider_client.h"
#include "oauth/metadata.h"
#include "oauth/token_reply.h"

namespace latchkey::doctor {

namespace {

constexpr std::size_t kMetadataBytesMax = 256 * 1024;
constexpr std::size_t kTypesOfAppMax = 12;  // tenants among them: each is an address of its own to look at

void add_words(std::string& words, std::string_view more) {
  for (const auto& word : oauth::scope_words(more)) {
    const auto known = oauth::scope_words(words);
    if (std::ranges::find(known, word) == known.end()) words += (words.empty() ? "" : " ") + word;
  }
}

SurveyedApp describe(const store::App& app, const SurveyGround& ground) {
  SurveyedApp out;
  out.id = app.id;
  out.client_id = app.client_id;
  out.redirect_uri = ground.public_url + "/oauth/callback/" + app.id;
  if (const auto route = grants::cloud_route_of(app)) {
    out.cloud_address = route->address;
    out.cloud_exchanges = route->mode == cloud::Mode::exchange;
    out.redirect_uri = route->redirect_uri;
  }
  out.paused = app.paused;
  out.pause_reason = app.pause_reason;
  for (std::size_t slot = 0; slot < out.secrets.size(); ++slot) {
    out.secrets[slot] = {!app.secrets[slot].sealed.empty(), app.secrets[slot].expires_at};
  }
  out.provider = ground.catalog->find_provider(app.provider);
  const auto provider_name = out.provider ? out.provider->name : app.provider;
  // The id that the service's app has here is made up of keys: it tells nobody anything.
  if (!out.cloud_address.empty()) out.name = provider_name + " (Cloud Service)";
  else out.name = app.id == app.provider ? provider_name : provider_name + " (" + app.id + ")";
  return out;
}

// A step that cannot be made ready is left out: it lacks what is entered with the first user.
SurveyedType with_links(catalog::ResolvedType type, const catalog::Filling& filling, const SurveyGround& ground) {
  SurveyedType out{.type = std::move(type), .missing_scopes = {}, .links = {}};
  out.for_private_accounts = catalog::is_for_private_accounts(*ground.catalog, *out.type.type, filling);
  for (const auto& step : out.type.provider->steps) {
    if (!catalog::is_for_registered_app(step)) continue;
    if (auto link = catalog::step_link(*ground.catalog, step, *out.type.type, filling))
      out.links.push_back(std::move(*link));
  }
  return out;
}

// Of grants, what tells apart where their provider is: type, parameters, and the hosts learned.
void add_types_in_use(SurveyedApp& out, const store::App& app, const std::vector<store::Grant>& grants,
                      const SurveyGround& ground) {
  std::map<std::string, std::size_t> known;
  for (const auto& grant : grants) {
    const auto learned = grants::learned_of(grant.extras_json);
    const auto key = grant.type + '\n' + grant.params_json + '\n' + grants::json_of_values(learned);
    auto found = known.find(key);
    if (found == known.end()) {
      if (out.types.size() == kTypesOfAppMax) continue;
      const catalog::Filling filling{.app = grants::values_of_json(app.params_json),
                                     .grant = grants::values_of_json(grant.params_json),
                                     .learned = learned,
                                     .client_id = app.client_id};
      auto type = ground.catalog->resolve(grant.type, filling, ground.plain_http);
      if (!type) continue;  // its type has left the catalogue, or changed: the keeper says so of the grant
      found = known.emplace(key, out.types.size()).first;
      out.types.push_back(with_links(std::move(*type), filling, ground));
    }
    auto& type = out.types[found->second];
    ++type.grants;
    if (grant.missing_scopes.empty()) continue;
    ++type.lacking;
    add_words(type.missing_scopes, grant.missing_scopes);
  }
}

// Before the first grant nobody knows which of them will be used.
void add_types_by_default(SurveyedApp& out, const store::App& app, const SurveyGround& ground) {
  for (const auto& type : ground.catalog->types()) {
    if (type->provider != app.provider) continue;
    const catalog::Filling filling{
        .app = grants::values_of_json(app.params_json), .grant = {}, .learned = {}, .client_id = app.client_id};
    auto resolved = ground.catalog->resolve(type->id, filling, ground.plain_http);
    if (!resolved) continue;
    out.types.push_back(with_links(std::move(*resolved), filling, ground));
  }
  std::ranges::stable_partition(out.types, [](const SurveyedType& type) { return !type.for_private_accounts; });
  if (out.types.size() > kTypesOfAppMax) out.types.erase(out.types.begin() + kTypesOfAppMax, out.types.end());
}

}  // namespace

Task<Result<Survey>> take_survey(const SurveyGround& ground) {
  Survey survey;
  const auto apps = co_await ground.store.apps();
  if (!apps) co_return std::unexpected(apps.error());
  for (const auto& app : *apps) {
    auto surveyed = describe(app, ground);
    const auto grants = co_await ground.store.grants_of_app(app.id, kGrantsLookedAtMax);
    if (!grants) co_return std::unexpected(grants.error());
    surveyed.more_grants = grants->size() == kGrantsLookedAtMax;
    add_types_in_use(surveyed, app, *grants, ground);
    if (surveyed.types.empty()) add_types_by_default(surveyed, app, ground);
    survey.apps.push_back(std::move(surveyed));
  }
  co_return survey;
}

Task<Result<oauth::Endpoints>> endpoints_of(catalog::ResolvedType type, net::HttpTransport& transport,
                                            oauth::PlainHttp plain_http) {
  if (type.discovery.empty() || !type.provider->discovery_fills_endpoints) co_return type.endpoints;
  net::HttpCall call{.method = "GET", .url = type.discovery};
  call.headers.set("Accept", "application/json");
  call.response_bytes_max = kMetadataBytesMax;
  call.connect_timeout = Milliseconds(5'000);
  call.total_timeout = Milliseconds(8'000);
  const auto outcome = co_await transport.send(std::move(call));
  if (const auto* nothing = std::get_if<net::NothingSent>(&outcome)) co_return std::unexpected(nothing->error);
  if (const auto* cut = std::get_if<net::Ambiguous>(&outcome)) co_return std::unexpected(cut->error);
  const auto& reply = std::get<net::Reply>(outcome);
  if (reply.status != 200) {
    co_return fail(ErrorKind::unavailable, "provider_unreachable",
                   "The provider's description of itself is not to be had: " + type.discovery + " answers " +
                       std::to_string(reply.status) + ".");
  }
  const auto metadata = oauth::parse_metadata(base::as_text(reply.body), type.endpoints.issuer, plain_http);
  if (!metadata) co_return std::unexpected(metadata.error());
  co_return metadata->endpoints;
}

}  // namespace latchkey::doctor
