// What several checks look at, read once an examination: the registered apps, what they are used for, and where their
// providers are.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "catalog/catalog.h"
#include "net/http_client.h"
#include "store/store.h"

namespace latchkey::doctor {

// One type of an app, with the parameters of a grant that uses it, or the defaults.
struct SurveyedType {
  catalog::ResolvedType type;
  std::size_t grants = 0;      // of those looked at
  std::size_t lacking = 0;     // of these, with scopes asked for but not granted
  std::string missing_scopes;  // all of what they lack, space separated
  bool for_private_accounts = false;  // alone; no organization consents for them
  std::vector<std::string> links;     // addresses of registration steps that are good for this app alone
};

struct SurveyedApp {
  std::string id;
  std::string name;  // of the provider, with whose the app is: its id where it has one of its own, "Cloud Service"
  std::string client_id;
  std::string redirect_uri;
  std::string cloud_address;  // of the Cloud Service by whose registration it is; empty: the office's own
  bool cloud_exchanges = false;  // that service asks the provider for tokens, and not this server (RULES S4)
  bool paused = false;
  std::string pause_reason;
  struct Secret {
    bool set = false;
    std::optional<WallTime> expires_at;
  };
  std::array<Secret, 2> secrets;
  std::shared_ptr<const catalog::Provider> provider;  // nullptr: its file is gone
  // Those with grants; where there are none, all that need nothing more, those that organizations have first.
  std::vector<SurveyedType> types;
  bool more_grants = false;         // than were looked at
};

struct Survey {
  std::vector<SurveyedApp> apps;
};

struct SurveyGround {
  store::Store& store;
  std::shared_ptr<const catalog::Catalog> catalog;
  std::string public_url;  // without a trailing slash
  oauth::PlainHttp plain_http = oauth::PlainHttp::refused;
};

inline constexpr std::size_t kGrantsLookedAtMax = 500;  // of one app

// Errors: the store's.
[[nodiscard]] Task<Result<Survey>> take_survey(const SurveyGround& ground);

// The endpoints of a type, read from its provider's metadata where the catalogue leaves them to it. Errors: those of the
// transport and of oauth::parse_metadata.
[[nodiscard]] Task<Result<oauth::Endpoints>> endpoints_of(catalog::ResolvedType type, net::HttpTransport& transport,
                                                          oauth::PlainHttp plain_http);

}  // namespace latchkey::doctor
