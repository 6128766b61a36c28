// From a grant's records to what the token endpoint is asked with: the type resolved, endpoints filled in, the app's
// secrets opened, and checked to go where they belong (RULES K6).
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/task.h"
#include "catalog/catalog.h"
#include "grants/cloud_enrolment.h"
#include "grants/provider_descriptions.h"
#include "grants/sealing.h"
#include "grants/token_way.h"
#include "net/http_client.h"
#include "oauth/metadata.h"
#include "store/store.h"

namespace latchkey::grants {

// App::token_origin is the origin (or the host patterns) the app was entered for; behind this mark, the origin its metadata
// document named first.
inline constexpr std::string_view kPinMark = " -> ";

// Everything one conversation with a provider needs. Moves; the secrets live as long as it does.
struct ProviderClient {
  catalog::ResolvedType type;
  oauth::Endpoints endpoints;
  oauth::IssParameter iss_parameter = oauth::IssParameter::not_advertised;
  std::string app;
  store::Version app_version = 0;  // of the record it was made from
  std::string client_id;
  oauth::ClientAuthentication authentication = oauth::ClientAuthentication::none;
  std::vector<Secret> secrets;  // newest first; empty for a public client
  std::string redirect_uri;
  std::optional<CloudRoute> cloud;  // consents go by way of the Cloud Service
  std::shared_ptr<TokenWay> way;    // to the token endpoint; nullptr: straight
  bool paused = false;  // the provider refuses this app (R21)
  std::string pause_reason;

  // Borrowed from this object. `slot` is clipped to the secrets there are.
  [[nodiscard]] oauth::ClientRegistration registration(std::size_t slot) const;
};

// The refresh this client sends for that token, with the type's own habits. `slot`: which of the app's secrets.
[[nodiscard]] oauth::FormPost refresh_post(const ProviderClient& client, const RefreshMaterial& material, std::size_t slot);

// The address of this server as browsers know it, and what plain http is good for here.
struct PublicAddress {
  std::string url;  // without a trailing slash: https://latchkey.example
  oauth::PlainHttp plain_http = oauth::PlainHttp::refused;  // loopback providers, where outbound.allow names them
};

// Lives on `executor`.
class ProviderClients {
 public:
  ProviderClients(store::Store& store, const Sealing& sealing, std::shared_ptr<const catalog::Catalog> catalog,
                  net::HttpTransport& transport, const SteadyClock& clock, PublicAddress address, Executor executor, Log& log);
  // Before it goes, when nobody asks any more.
  [[nodiscard]] Task<void> stop();

  // For apps of a Cloud Service that are not just forwarded; without, such an app cannot be used.
  using WayOf = std::function<std::shared_ptr<TokenWay>(const CloudRoute& route, const std::string& type, const catalog::ParameterValues& params,
                                                        const catalog::ParameterValues& learned)>;
  void set_ways(WayOf way_of) { way_of_ = std::move(way_of); }

  // Errors: misconfigured/`app_missing` (no such registration), `app_secret_missing`, `token_endpoint_moved`,
  // `bad_metadata`; unavailable/`provider_unreachable` (metadata never read yet); corrupt/`record_altered`.
  [[nodiscard]] Task<Result<ProviderClient>> client_for(std::string type, std::string app, std::string grant_params_json,
                                                        std::string extras_json);

  // The same, for refreshes: what one grant has been served serves the app's others for up to a second, so that a storm
  // of them reads, checks and opens the app's record once.
  [[nodiscard]] Task<Result<std::shared_ptr<const ProviderClient>>> shared_client_for(std::string type, std::string app,
                                                                                      std::string grant_params_json,
                                                                                      std::string extras_json);
  // The app was changed on this node: what is kept of it is out of date.
  void forget(const std::string& app);
  // Lets go of what has been kept for its second, opened secrets among it.
  void tidy();

  // The type alone, filled in as far as it goes without asking the provider: enough to read one of its replies.
  [[nodiscard]] Task<Result<catalog::ResolvedType>> type_for(std::string type, std::string app, std::string grant_params_json,
                                                             std::string extras_json);

  [[nodiscard]] std::string redirect_uri(std::string_view app) const;
  [[nodiscard]] const catalog::Catalog& catalog() const { return *catalog_; }
  [[nodiscard]] const PublicAddress& address() const { return address_; }

 private:
  struct Kept {
    SteadyTime since;
    std::map<std::string, std::shared_ptr<const ProviderClient>> clients;  // by type, parameters and extras
  };
  [[nodiscard]] Result<std::vector<Secret>> secrets_of(const store::App& app) const;
  [[nodiscard]] Result<catalog::ResolvedType> resolve(const store::App& app, std::string_view type, std::string_view grant_params_json,
                                                      std::string_view extras_json) const;
  // The app's secret goes where it was entered for, and nowhere else (RULES K6): neither an edited provider file nor a
  // changed metadata document moves it.
  [[nodiscard]] Task<Result<void>> check_origin(store::App app, std::string token_endpoint, bool from_metadata);

  store::Store& store_;
  const Sealing& sealing_;
  std::shared_ptr<const catalog::Catalog> catalog_;
  const SteadyClock& clock_;
  PublicAddress address_;
  WayOf way_of_;
  std::map<std::string, Kept> kept_;  // by app
  std::uint64_t forgotten_ = 0;       // how often something was
  ProviderDescriptions descriptions_;
};

// Objects of text members, as the store keeps parameters; anything else in them is left out.
[[nodiscard]] catalog::ParameterValues values_of_json(std::string_view json);
[[nodiscard]] std::string json_of_values(const catalog::ParameterValues& values);
// The member of Grant::extras_json that holds what was learned of the provider's hosts and ids.
inline constexpr std::string_view kLearnedMember = "_learned";
[[nodiscard]] catalog::ParameterValues learned_of(std::string_view extras_json);
[[nodiscard]] std::string extras_with_learned(JsonObject extras, const catalog::ParameterValues& learned);

}  // namespace latchkey::grants
