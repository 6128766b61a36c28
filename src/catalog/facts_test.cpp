// Compares our provider files with the collected facts about providers, where those lie beside the source tree. What we
// state otherwise stands in the table below with its reason; a reason that is no longer needed fails as well.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "catalog/catalog.h"
#include "oauth/outcome.h"

namespace latchkey::catalog {
namespace {

// Fact entry -> our type.
const std::map<std::string, std::string> kTypes{
    {"box", "box"}, {"dropbox", "dropbox"}, {"dataverse", "dynamics365"}, {"exchange_graph", "email-office365"},
    {"exchange_smtp", "smtp-office365"}, {"exact_online", "exact"}, {"google_drive", "google-drive"}, {"gmail_api", "gmail"},
    {"gmail_smtp", "smtp-gmail"}, {"imanage", "imanage"}, {"leap", "leap"}, {"onedrive_personal", "onedrive"},
    {"onedrive_business", "onedrive-business"}, {"sharepoint_online", "sharepoint"}, {"propertyme", "propertyme"},
    {"sage200", "sage200"}, {"salesforce", "salesforce"}, {"sharefile", "sharefile"}, {"xero", "xero"}, {"xplan", "xplan"},
    {"oidc_generic", "oidc"}, {"webdav_nextcloud", "nextcloud"}};

// `type field`, `*` for any type -> why ours differs.
const std::map<std::string, std::string> kReasons{
    {"microsoft authorize_params", "select_account is sent so that a shared browser never consents with somebody else's account (RULES A4)"},
    {"google authorize_params", "select_account is added to consent for the same reason (RULES A4)"},
    {"oidc authorize_params", "prompt=consent unless the app says otherwise (docs/providers.md)"},
    {"oidc authorization_url", "comes from discovery"},
    {"oidc token_url", "comes from discovery"},
    {"oidc revocation_url", "comes from discovery"},
    {"oidc device_authorization_url", "comes from discovery"},
    {"oidc userinfo", "comes from discovery"},
    {"oidc client_auth", "discovery narrows the list"},
    {"oidc scopes.refresh", "one app setting names all scopes; openid offline_access by default (docs/providers.md)"},
    {"oidc scopes.identity", "one app setting names all scopes; openid offline_access by default (docs/providers.md)"},
    {"oidc scopes.delivery", "one app setting names all scopes; openid offline_access by default (docs/providers.md)"},
    {"oidc scopes.optional", "profile and email are offered instead of asked for"},
    {"salesforce device_authorization_url", "not a device authorization endpoint in the sense of RFC 8628, and unverified"},
    {"microsoft userinfo", "the answer is narrowed to the members that are read"},
    {"leap client_auth", "named in words in the facts"},
    {"sage200 userinfo", "the API's own answer needs site and company first; the identity service names the person"},
    {"xero userinfo", "a token set belongs to a person, not to an organization: the id_token names the person"},
    {"leap userinfo", "the same claims, read from the access token"},
};

std::string text_of(const Json* value) {
  if (value == nullptr || value->is_null()) return "";
  if (const auto* text = value->if_string()) return std::string(std::string_view(*text));
  return boost::json::serialize(*value);
}

const JsonObject& object_at(const JsonObject& object, std::string_view name) {
  static const JsonObject kNone;
  const auto* found = base::find_object(object, name);
  return found == nullptr ? kNone : *found;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  return text;
}

class Comparison {
 public:
  Comparison(std::string entry, const JsonObject& fact, const Catalog& catalog)
      : fact_(fact), type_(*catalog.find_type(kTypes.at(entry))), provider_(*catalog.find_provider(type_.provider)) {
    compare_endpoints();
    compare_requests();
    compare_scopes();
    compare_lifetimes();
    compare_errors();
    compare_account();
    compare_redirect();
  }

  std::set<std::string> used;

 private:
  void same(const std::string& field, const std::string& theirs, const std::string& ours) {
    if (theirs == ours) return;
    for (const auto& owner : {type_.id, provider_.id}) {
      if (kReasons.contains(owner + " " + field)) {
        used.insert(owner + " " + field);
        return;
      }
    }
    ADD_FAILURE() << type_.id << ' ' << field << "\n  facts: " << theirs << "\n  ours:  " << ours;
  }

  // Our template with this type's fixed values put in, and the facts' names of variables.
  std::string ours(std::string pattern) const {
    for (const auto& [name, value] : type_.values) pattern = replaced(pattern, "{" + name + "}", value);
    return replaced(std::move(pattern), "{region}", "{region_tld}");
  }

  void compare_endpoints() {
    const auto& ends = provider_.endpoints;
    same("authorization_url", text_of(fact_.if_contains("authorization_url")), ours(ends.authorization));
    std::string token = text_of(fact_.if_contains("token_url"));
    for (const auto& member : object_at(fact_, "token_query")) {
      token += "?" + std::string(member.key()) + "=" + text_of(&member.value()).substr(0, text_of(&member.value()).find(' '));
    }
    same("token_url", token, ours(ends.token));
    same("revocation_url", text_of(fact_.if_contains("revocation_url")), ours(ends.revocation));
    same("device_authorization_url", text_of(fact_.if_contains("device_authorization_url")), ours(ends.device_authorization));
    const auto discovery = text_of(fact_.if_contains("discovery_url"));
    same("discovery_url", discovery.substr(0, discovery.find(' ')), ours(provider_.discovery));
  }

  static std::string joined(const oauth::Parameters& parameters) {
    std::string out;
    for (const auto& [name, value] : parameters) out += name + "=" + value + " ";
    return out;
  }

  void compare_requests() {
    oauth::Parameters authorize;
    for (const auto& member : object_at(fact_, "authorize_params")) {
      if (member.key() != "response_type") authorize.emplace_back(std::string(member.key()), text_of(&member.value()));
    }
    same("authorize_params", joined(authorize), joined(provider_.extra.authorize));
    same("token_params", boost::json::serialize(object_at(fact_, "token_params")), provider_.extra.token.empty() ? "{}" : joined(provider_.extra.token));
    std::set<std::string> repeated;
    for (const auto& member : object_at(fact_, "refresh_params")) repeated.insert(std::string(member.key()));
    std::set<std::string> quirks;
    if (find_quirk(provider_, Quirk::refresh_repeats_redirect_uri)) quirks.insert("redirect_uri");
    if (find_quirk(provider_, Quirk::refresh_repeats_code_verifier)) quirks.insert("code_verifier");
    if (find_quirk(provider_, Quirk::refresh_repeats_scope)) quirks.insert("scope");
    same("refresh_params", testing::PrintToString(repeated), testing::PrintToString(quirks));
    same("pkce.send", text_of(object_at(fact_, "pkce").if_contains("send")).substr(0, 4), provider_.pkce ? "S256" : "");
    std::string methods;
    if (const auto* list = base::find_array(object_at(fact_, "client_auth"), "methods")) {
      for (const auto& method : *list) methods += text_of(&method) + " ";
    }
    std::string accepted;
    for (const auto method : provider_.authentications) accepted += std::string(name_of(method)) + " ";
    const auto preferred = text_of(object_at(fact_, "client_auth").if_contains("preferred"));
    same("client_auth", preferred + ": " + methods, std::string(name_of(provider_.authentications.front())) + ": " + accepted);
    same("scope_separator", text_of(fact_.if_contains("scope_separator")), provider_.scope_separator);
  }

  void compare_scopes() {
    const auto& scopes = object_at(fact_, "scopes");
    const std::pair<std::string, const std::vector<Scope>*> lists[] = {
        {"delivery", &type_.request}, {"refresh", &type_.refresh}, {"identity", &type_.identity}, {"optional", &type_.optional}};
    for (const auto& [name, list] : lists) {
      std::set<std::string> theirs;
      if (const auto* words = base::find_array(scopes, name)) {
        for (const auto& word : *words) {
          auto text = text_of(&word);
          // "a (why) or b (why)" names two.
          const auto other = text.find(" or ");
          if (other != std::string::npos) {
            const auto second = text.substr(other + 4);
            theirs.insert(second.substr(0, second.find(' ')));
          }
          theirs.insert(text.substr(0, text.find(' ')));
        }
      }
      std::set<std::string> mine;
      for (const auto& scope : *list) mine.insert(scope.value);
      same("scopes." + name, testing::PrintToString(theirs), testing::PrintToString(mine));
    }
  }

  static std::string number(const Json* value) { return value != nullptr && value->is_int64() ? std::to_string(value->as_int64()) : ""; }
  static std::string number(std::optional<seconds> value, std::int64_t unit = 1) { return value ? std::to_string(value->count() / unit) : ""; }

  void compare_lifetimes() {
    const auto& refresh = object_at(fact_, "refresh_token");
    same("code_lifetime_s", number(fact_.if_contains("code_lifetime_s")), number(provider_.code_lifetime));
    same("access_token.lifetime_s", number(object_at(fact_, "access_token").if_contains("lifetime_s")), number(type_.access_lifetime));
    same("idle_expiry_days", number(refresh.if_contains("idle_expiry_days")), number(type_.idle_lifetime, 86400));
    same("absolute_expiry_days", number(refresh.if_contains("absolute_expiry_days")), number(type_.absolute_lifetime, 86400));
    const auto rotation = text_of(refresh.if_contains("rotation"));
    const bool rolls = rotation == "returns_new_keeps_old" || rotation == "returns_new";
    same("rotation", rotation == "none" ? "none" : rotation == "always" ? "single_use" : rolls ? "rolling" : "unknown", std::string(name_of(type_.rotation)));
    const auto grace = number(refresh.if_contains("grace_s"));
    same("grace_s", grace == "0" ? "" : grace, type_.grace > seconds(0) ? std::to_string(type_.grace.count()) : "");
    const auto early = find_quirk(provider_, Quirk::early_refresh_refused);
    same("refresh_only_in_last_s", number(refresh.if_contains("refresh_only_in_last_s")), early ? std::to_string(early->value) : "");
    const auto evicted = find_quirk(provider_, Quirk::oldest_grant_evicted);
    same("max_live_per_user_and_client", number(refresh.if_contains("max_live_per_user_and_client")), evicted ? std::to_string(evicted->value) : "");
    const auto shape = text_of(object_at(fact_, "access_token").if_contains("expires_in_type"));
    same("expires_in_type", shape == "string" || shape == "absent" ? shape : "",
         find_quirk(provider_, Quirk::expires_in_as_text) ? "string" : find_quirk(provider_, Quirk::expires_in_absent) ? "absent" : "");
    // A replay is harmless only where old tokens stay good.
    if (type_.replay == ReplayPolicy::harmless) EXPECT_TRUE(rotation == "none" || rolls) << type_.id;
    const auto* doubts = base::find_array(fact_, "unverified");
    if (doubts != nullptr && !doubts->empty()) EXPECT_FALSE(provider_.unverified.empty() && type_.unverified.empty()) << type_.id;
  }

  // Every row of the facts must come out with the same meaning.
  void compare_errors() {
    auto rules = type_.errors;
    rules.insert(rules.end(), provider_.errors.begin(), provider_.errors.end());
    const std::pair<std::string, oauth::ErrorMeaning> lists[] = {{"reauthorise", oauth::ErrorMeaning::dead_grant},
                                                                {"retry_later", oauth::ErrorMeaning::transient},
                                                                {"configuration", oauth::ErrorMeaning::misconfigured_app},
                                                                {"refresh_and_retry", oauth::ErrorMeaning::stale_access_token}};
    std::set<std::string> refreshed_first;  // the facts list such a row twice: refresh once, then it is what it is
    if (const auto* rows = base::find_array(object_at(fact_, "errors"), "refresh_and_retry")) {
      for (const auto& row : *rows) refreshed_first.insert(row_key(row.as_object()));
    }
    for (const auto& [list, meaning] : lists) {
      const auto* rows = base::find_array(object_at(fact_, "errors"), list);
      if (rows == nullptr) continue;
      for (const auto& row : *rows) {
        const bool twice = list != "refresh_and_retry" && refreshed_first.contains(row_key(row.as_object()));
        compare_row(rules, row.as_object(), twice ? oauth::ErrorMeaning::stale_access_token : meaning);
      }
    }
  }

  static std::string row_key(const JsonObject& row) {
    return text_of(row.if_contains("where")) + text_of(row.if_contains("http")) + text_of(row.if_contains("error"));
  }

  void compare_row(const std::vector<oauth::ErrorRule>& rules, const JsonObject& row, oauth::ErrorMeaning meaning) {
    const auto where = *oauth::parse_error_place(text_of(row.if_contains("where")));
    const auto http = text_of(row.if_contains("http"));
    const int status = http == "5xx" ? 500 : std::stoi(http);
    auto match = text_of(row.if_contains("match"));
    std::string errors = text_of(row.if_contains("error"));
    // The facts put two codes of one meaning in a row, and one text that decides in a note.
    std::vector<std::string> codes;
    for (auto at = errors.find(" / "); at != std::string::npos; at = errors.find(" / ")) {
      codes.push_back(errors.substr(0, at));
      errors = errors.substr(at + 3);
    }
    codes.push_back(errors == "*" || errors == "4.x.x" ? "any_code" : errors);
    for (const auto& code : codes) {
      if (where == oauth::ErrorPlace::token) {
        const std::string body = R"({"error":")" + code + R"(","error_description":")" + match + R"("})";
        const auto outcome = oauth::classify(oauth::parse_token_reply(status, "application/json", body), rules).outcome;
        const bool early = outcome == oauth::RefreshOutcome::too_early && meaning == oauth::ErrorMeaning::transient;
        same("errors " + code + http, std::string(name_of(meaning)), early ? "transient" : std::string(name_of(outcome)));
      } else {
        const auto* rule = oauth::find_rule(rules, where, status, code, match);
        same("errors " + code + http, std::string(name_of(meaning)), rule == nullptr ? "(no rule)" : std::string(name_of(rule->meaning)));
      }
    }
  }

  void compare_account() {
    const auto& theirs = object_at(fact_, "userinfo");
    const auto& account = type_.account ? *type_.account : provider_.account;
    auto method = text_of(theirs.if_contains("method"));
    if (method == "id_token" && account.source == AccountSource::id_token) return;
    same("userinfo", method + " " + text_of(theirs.if_contains("url")), account.method + " " + ours(account.url));
  }

  void compare_redirect() {
    const auto& theirs = object_at(fact_, "redirect_uri");
    const auto* localhost = theirs.if_contains("http_localhost");
    const bool known = localhost != nullptr && localhost->is_bool();
    const auto mine = provider_.redirect.http_localhost;
    same("redirect_uri.http_localhost", known ? (localhost->get_bool() ? "true" : "false") : "", mine ? (*mine ? "true" : "false") : "");
    const auto* https = theirs.if_contains("https_required");
    if (https != nullptr && https->is_bool()) EXPECT_EQ(https->get_bool(), provider_.redirect.https_required) << type_.id;
  }

  const JsonObject& fact_;
  const Type& type_;
  const Provider& provider_;
};

TEST(Facts, OurFilesStateThemAll) {
  std::ifstream stream(LATCHKEY_SOURCE_DIR "/../shared/providers/oauth-facts.json", std::ios::binary);
  if (!stream) GTEST_SKIP() << "the collected facts do not lie beside the source tree";
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const auto json = parse_json(text);
  ASSERT_TRUE(json);
  const auto catalog = Catalog::load_builtin();
  ASSERT_TRUE(catalog) << catalog.error().text;
  std::set<std::string> used;
  std::size_t compared = 0;
  for (const auto& entry : object_at(json->as_object(), "providers")) {
    const std::string id(entry.key());
    ASSERT_TRUE(kTypes.contains(id)) << id << " has become no type";
    used.merge(Comparison(id, entry.value().as_object(), **catalog).used);
    ++compared;
  }
  EXPECT_EQ(compared, kTypes.size());
  for (const auto& [key, why] : kReasons) EXPECT_TRUE(used.contains(key)) << key << " no longer differs: remove its reason";
}

}  // namespace
}  // namespace latchkey::catalog
