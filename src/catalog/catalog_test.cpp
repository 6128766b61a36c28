#include "catalog/catalog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "catalog/builtin.h"
#include "catalog/step_link.h"
#include "oauth/callback.h"

namespace latchkey::catalog {
namespace {

using oauth::PlainHttp;

const Catalog& builtin() {
  static const auto catalog = [] {
    auto loaded = Catalog::load_builtin();
    if (!loaded) ADD_FAILURE() << loaded.error().text;
    return loaded ? *loaded : std::make_shared<const Catalog>();
  }();
  return *catalog;
}

ResolvedType resolved(std::string_view type, const Filling& filling = {}) {
  auto out = builtin().resolve(type, filling);
  if (!out) {
    ADD_FAILURE() << type << ": " << out.error().text << " (" << out.error().field << ")";
    return {};
  }
  return std::move(*out);
}

TEST(Builtin, HasTheTypesOfTheDesign) {
  std::set<std::string> ids;
  for (const auto& type : builtin().types()) ids.insert(type->id);
  EXPECT_EQ(ids, (std::set<std::string>{"onedrive", "onedrive-business", "sharepoint", "email-office365", "smtp-office365",
                                        "dynamics365", "google-drive", "gmail", "smtp-gmail", "box", "dropbox", "exact",
                                        "imanage", "leap", "propertyme", "sage200", "salesforce", "sharefile", "xero", "xplan",
                                        "nextcloud", "oidc"}));
  EXPECT_EQ(builtin().find_type("sandbox"), nullptr);
  EXPECT_EQ(builtin().find_provider("nobody"), nullptr);
}

TEST(Builtin, EveryFileIsCompiledIn) {
  std::set<std::string> compiled{std::string(sandbox_file().name)};
  for (const auto& file : builtin_files()) compiled.insert(std::string(file.name));
  std::set<std::string> present;
  for (const auto& entry : std::filesystem::directory_iterator(LATCHKEY_SOURCE_DIR "/providers")) {
    if (entry.path().extension() == ".json") present.insert(entry.path().filename().string());
  }
  EXPECT_EQ(compiled, present);
  for (const auto& file : builtin_files()) {
    std::ifstream stream(std::string(LATCHKEY_SOURCE_DIR "/providers/") + std::string(file.name), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    EXPECT_EQ(file.text, text) << file.name << " is older in the binary than on disk";
  }
}

// What every type needs before the engine can use it.
TEST(Builtin, EveryTypeResolves) {
  const std::map<std::string, Filling> fillings{
      {"dynamics365", {.grant = {{"environment_url", "https://contoso.crm4.dynamics.com"}}}},
      {"nextcloud", {.app = {{"server", "https://cloud.example.org"}}}},
      {"xplan", {.app = {{"site_url", "https://example.xplan.iress.com.au"}}}},
      {"oidc", {.app = {{"issuer", "https://login.example.com/realms/x"}}}}};
  for (const auto& type : builtin().types()) {
    const auto given = fillings.find(type->id);
    auto out = builtin().resolve(type->id, given == fillings.end() ? Filling{} : given->second);
    ASSERT_TRUE(out) << type->id << ": " << out.error().text;
    const bool late = out->provider->discovery_fills_endpoints || out->has(Quirk::host_in_callback);
    EXPECT_EQ(out->endpoints.token.empty(), late) << type->id;
    EXPECT_GE(out->provider->steps.size(), 3U) << type->id;
    EXPECT_FALSE(out->provider->authentications.empty()) << type->id;
    const bool has_refresh_scope = std::find(out->scopes.begin(), out->scopes.end(), "offline_access") != out->scopes.end();
    if (type->provider == "microsoft") EXPECT_TRUE(has_refresh_scope) << type->id;
  }
}

TEST(Resolve, MicrosoftTenants) {
  EXPECT_EQ(resolved("onedrive").endpoints.token, "https://login.microsoftonline.com/consumers/oauth2/v2.0/token");
  EXPECT_EQ(resolved("sharepoint").endpoints.authorization, "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize");
  const auto own = resolved("sharepoint", {.grant = {{"tenant", "contoso.onmicrosoft.com"}}});
  EXPECT_EQ(own.endpoints.token, "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token");
  EXPECT_EQ(own.scopes, (std::vector<std::string>{"https://graph.microsoft.com/Sites.ReadWrite.All", "openid", "profile",
                                                  "https://graph.microsoft.com/User.Read", "offline_access"}));
  EXPECT_TRUE(oauth::issuer_matches(own.endpoints.issuer, "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"));
  EXPECT_TRUE(own.has(Quirk::refresh_repeats_scope));
  const auto fixed = builtin().resolve("onedrive", {.grant = {{"tenant", "contoso"}}});
  ASSERT_FALSE(fixed);
  EXPECT_EQ(fixed.error().reason, "unknown_parameter");
}

TEST(Resolve, DynamicsScopesFollowTheEnvironment) {
  const auto type = resolved("dynamics365", {.grant = {{"environment_url", "https://contoso.crm4.dynamics.com/"}}});
  EXPECT_EQ(type.scopes.front(), "https://contoso.crm4.dynamics.com/user_impersonation");
  EXPECT_EQ(type.account.url, "https://contoso.crm4.dynamics.com/api/data/v9.2/WhoAmI");
  EXPECT_EQ(type.resource, "https://contoso.crm4.dynamics.com");
  const auto elsewhere = builtin().resolve("dynamics365", {.grant = {{"environment_url", "https://evil.example"}}});
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().reason, "bad_parameter");
  EXPECT_EQ(elsewhere.error().field, "environment_url");
  EXPECT_EQ(builtin().resolve("dynamics365", {}).error().reason, "missing_parameter");
}

TEST(Resolve, ExactRegionsAndEarlyRefresh) {
  const auto type = resolved("exact", {.app = {{"region", "co.uk"}}});
  EXPECT_EQ(type.endpoints.token, "https://start.exactonline.co.uk/api/oauth2/token");
  EXPECT_EQ(type.early_refresh_refused, seconds(30));
  EXPECT_EQ(type.access_lifetime_fallback, seconds(600));
  EXPECT_EQ(type.extra.authorize, (oauth::Parameters{{"force_login", "0"}}));
  EXPECT_EQ(builtin().resolve("exact", {.app = {{"region", "evil.example"}}}).error().reason, "bad_parameter");
}

TEST(StepLink, IsMadeReadyForARegisteredApp) {
  const auto provider = builtin().find_provider("microsoft");
  const auto step = std::ranges::find_if(provider->steps, is_for_registered_app);
  ASSERT_NE(step, provider->steps.end());
  const auto& type = *builtin().find_type("sharepoint");
  EXPECT_EQ(step_link(builtin(), *step, type, {.grant = {{"tenant", "contoso.onmicrosoft.com"}}, .client_id = "an id&more"}).value_or("none"),
            "https://login.microsoftonline.com/contoso.onmicrosoft.com/adminconsent?client_id=an%20id%26more");
  EXPECT_EQ(step_link(builtin(), *step, type, {.client_id = "1"}).value_or("none"), "https://login.microsoftonline.com/organizations/adminconsent?client_id=1");
  EXPECT_FALSE(step_link(builtin(), *step, type, {})) << "without a client there is no link";
  EXPECT_FALSE(step_link(builtin(), *step, type, {.grant = {{"tenant", "../evil"}}, .client_id = "1"}));
}

TEST(StepLink, OfAnOrganizationIsNoneForPrivateAccounts) {
  const auto provider = builtin().find_provider("microsoft");
  const auto step = std::ranges::find_if(provider->steps, is_for_registered_app);
  ASSERT_NE(step, provider->steps.end());
  const auto& onedrive = *builtin().find_type("onedrive");
  const auto& business = *builtin().find_type("onedrive-business");
  const Filling entered{.grant = {{"tenant", "consumers"}}, .client_id = "1"};
  const auto reason = [&](const Type& type, const Filling& filling) {
    const auto link = step_link(builtin(), *step, type, filling);
    return link ? *link : link.error().reason;
  };
  EXPECT_EQ(reason(onedrive, {.client_id = "1"}), "private_accounts") << "fixed in the file";
  EXPECT_EQ(reason(business, entered), "private_accounts") << "entered with the user";
  EXPECT_EQ(step_link(builtin(), {.text = "x", .url = "https://x.example/{client_id}"}, onedrive, {.client_id = "1"}), "https://x.example/1")
      << "an address that does not hold it is anybody's";
  EXPECT_TRUE(is_for_private_accounts(builtin(), onedrive, {}));
  EXPECT_TRUE(is_for_private_accounts(builtin(), business, entered));
  EXPECT_FALSE(is_for_private_accounts(builtin(), business, {}));
  EXPECT_FALSE(is_for_private_accounts(builtin(), *builtin().find_type("box"), {}));
}

// RULES A7: the host that gets the secret comes from the browser, so only listed domains count.
TEST(Resolve, ShareFileHostsComeFromTheCallback) {
  const auto before = resolved("sharefile");
  EXPECT_EQ(before.endpoints.token, "");
  EXPECT_EQ(before.endpoints.authorization, "https://secure.sharefile.com/oauth/authorize");
  const auto provider = builtin().find_provider("sharefile");
  const auto learned = builtin().learn(*provider, oauth::Parameters{{"subdomain", "acme"}, {"appcp", "sharefile.com"}, {"apicp", "sf-api.com"}, {"h", "x"}});
  ASSERT_TRUE(learned);
  const auto after = resolved("sharefile", {.learned = *learned});
  EXPECT_EQ(after.endpoints.token, "https://acme.sharefile.com/oauth/token?requirev3=true");
  EXPECT_EQ(after.account.url, "https://acme.sf-api.com/sf/v3/Users");
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"appcp", "evil.example"}, {"appcp", "sharefile.com.evil.example"}, {"appcp", "notsharefile.com"}, {"appcp", "sharefile.com/x"},
           {"appcp", "sharefile.com:8443"}, {"appcp", "evil.example@sharefile.com"}, {"subdomain", "a.b"}, {"subdomain", "acme/"},
           {"subdomain", "evil.example#"}}) {
    EXPECT_FALSE(builtin().learn(*provider, oauth::Parameters{{name, value}})) << value;
  }
  // Even values that went round the check do not get through.
  const auto forced = builtin().resolve("sharefile", {.learned = {{"subdomain", "acme"}, {"appcp", "evil.example"}}});
  ASSERT_FALSE(forced);
  EXPECT_EQ(forced.error().reason, "host_not_allowed");
}

TEST(Resolve, SalesforceInstanceComesFromTheReply) {
  const auto provider = builtin().find_provider("salesforce");
  const auto learned = builtin().learn(*provider, JsonObject{{"instance_url", "https://acme.my.salesforce.com"}, {"id", "x"}});
  ASSERT_TRUE(learned);
  const auto type = resolved("salesforce", {.learned = *learned});
  EXPECT_EQ(type.account.url, "https://acme.my.salesforce.com/services/oauth2/userinfo");
  EXPECT_EQ(type.resource, "https://acme.my.salesforce.com");
  EXPECT_EQ(type.reply_shape.errors, oauth::ErrorShape::object_or_array);
  EXPECT_EQ(builtin().learn(*provider, JsonObject{{"instance_url", "https://evil.example"}}).error().reason, "host_not_allowed");
  EXPECT_FALSE(builtin().learn(*provider, JsonObject{{"instance_url", "http://acme.my.salesforce.com"}}));
  EXPECT_EQ(builtin().resolve("salesforce", {.app = {{"login_host", "acme.lightning.force.com"}}}).error().reason, "bad_parameter");
}

TEST(Resolve, GenericServerAsksWhatItIsTold) {
  const auto usual = resolved("oidc", {.app = {{"issuer", "https://login.example.com/realms/x/"}}});
  EXPECT_EQ(usual.scopes, (std::vector<std::string>{"openid", "offline_access"}));
  EXPECT_EQ(usual.extra.authorize, (oauth::Parameters{{"prompt", "consent"}}));
  EXPECT_EQ(usual.discovery, "https://login.example.com/realms/x/.well-known/openid-configuration");
  EXPECT_EQ(usual.endpoints.token, "");
  const auto told = resolved("oidc", {.app = {{"issuer", "https://a.example"}, {"scopes", "files mail"}, {"prompt", ""}}});
  EXPECT_EQ(told.scopes, (std::vector<std::string>{"files", "mail"}));
  EXPECT_TRUE(told.extra.authorize.empty());
  EXPECT_FALSE(builtin().resolve("oidc", {.app = {{"issuer", "http://127.0.0.1:9000"}}}));
  EXPECT_TRUE(builtin().resolve("oidc", {.app = {{"issuer", "http://127.0.0.1:9000"}}}, PlainHttp::loopback_only));
}

TEST(Resolve, HeadersMayNameTheClient) {
  const Filling filling{.app = {{"site_url", "https://example.xplan.iress.com.au"}}, .client_id = "app-1"};
  EXPECT_EQ(resolved("xplan", filling).account.headers, (oauth::Parameters{{"X-Xplan-App-Id", "app-1"}, {"Accept", "application/json"}}));
}

TEST(Resolve, UnknownThingsAreNamed) {
  EXPECT_EQ(builtin().resolve("fax", {}).error().reason, "unknown_type");
  const auto odd = builtin().resolve("box", {.grant = {{"colour", "red"}}});
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().reason, "unknown_parameter");
  EXPECT_EQ(odd.error().field, "colour");
}

// RULES K6.
TEST(TokenOrigin, IsWhereTheSecretGoes) {
  const auto origin = [](std::string_view provider, const ParameterValues& app = {}) {
    auto out = builtin().token_origin(*builtin().find_provider(provider), app);
    return out ? *out : out.error().reason;
  };
  EXPECT_EQ(origin("microsoft"), "https://login.microsoftonline.com");
  EXPECT_EQ(origin("exact", {{"region", "be"}}), "https://start.exactonline.be");
  EXPECT_EQ(origin("oidc", {{"issuer", "https://login.example.com:8443/realms/x"}}), "https://login.example.com:8443");
  EXPECT_EQ(origin("nextcloud", {{"server", "https://cloud.example.org/nc"}}), "https://cloud.example.org");
  EXPECT_EQ(origin("nextcloud"), "missing_parameter");
  EXPECT_EQ(origin("sharefile"), "https://*.sharefile.com https://*.sf-api.com https://*.sharefile.eu https://*.sf-api.eu https://*.securevdr.com");
}

TEST(Sandbox, IsOfferedOnlyWhenAskedFor) {
  const auto with = builtin().with_sandbox("http://127.0.0.1:9191");
  ASSERT_TRUE(with) << with.error().text;
  const auto type = (*with)->resolve("sandbox", {}, PlainHttp::loopback_only);
  ASSERT_TRUE(type) << type.error().text;
  EXPECT_EQ(type->endpoints.token, "http://127.0.0.1:9191/token");
  EXPECT_EQ(type->endpoints.issuer, "http://127.0.0.1:9191");
  EXPECT_FALSE((*with)->resolve("sandbox", {}));
  EXPECT_EQ(builtin().find_provider("sandbox"), nullptr);
  EXPECT_FALSE(builtin().with_sandbox("http://sandbox.example"));
}

TEST(Authentication, FollowsTheSecret) {
  using oauth::ClientAuthentication;
  EXPECT_EQ(authentication_for(*builtin().find_provider("xero"), true), ClientAuthentication::client_secret_basic);
  EXPECT_EQ(authentication_for(*builtin().find_provider("xero"), false), ClientAuthentication::none);
  EXPECT_EQ(authentication_for(*builtin().find_provider("leap"), true), ClientAuthentication::client_secret_post);
  EXPECT_EQ(authentication_for(*builtin().find_provider("leap"), false), ClientAuthentication::none);
  EXPECT_EQ(authentication_for(*builtin().find_provider("box"), false), std::nullopt);
}

// C8: an error always comes with a next step.
TEST(ErrorTexts, AlwaysSayWhatToDo) {
  for (const auto& provider : builtin().providers()) {
    for (const char* code : {"access_denied", "invalid_scope", "server_error", "whatever", "", "<script>"}) {
      const auto text = error_text(*provider, code);
      EXPECT_FALSE(text.sentence.empty() || text.next_step.empty()) << provider->id << ' ' << code;
      EXPECT_EQ(text.sentence.find('<'), std::string::npos);
    }
  }
  EXPECT_NE(error_text(*builtin().find_provider("google"), "access_denied").sentence.find("test users"), std::string::npos);
}

class Directory : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "latchkey-catalog-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(path_ / name) << text; }

  std::filesystem::path path_;
};

std::string own_file(const std::string& provider, const std::string& type) {
  return R"({"schema":1,"id":")" + provider + R"(","name":"Own","seen_on":"2026-01-02",
    "endpoints":{"authorization":"https://a.example/a","token":"https://a.example/t"},"client_authentication":["none"],
    "redirect":{},"account":{"source":"reply","id":["user"]},
    "steps":[{"text":"a"},{"text":"b"},{"text":"c"}],
    "types":[{"id":")" + type + R"(","name":"Own","kind":"storage","scopes":{},"rotation":"none","replay":"harmless"}]})";
}

TEST_F(Directory, OperatorsAddTheirOwn) {
  write("own.json", own_file("own", "own-drive"));
  write("notes.txt", "not a provider");
  write(".own.json", "{ half of what an editor keeps");
  write(".own.json.swp", "b0VIM");
  const auto with = builtin().load_directory(path_.string());
  ASSERT_TRUE(with) << with.error().text;
  EXPECT_NE((*with)->find_type("own-drive"), nullptr);
  EXPECT_NE((*with)->find_type("box"), nullptr);
  EXPECT_TRUE(builtin().load_directory((path_ / "absent").string()));
}

TEST_F(Directory, OneBadFileLoadsNothing) {
  write("a.json", own_file("own", "own-drive"));
  write("b.json", "{");
  const auto with = builtin().load_directory(path_.string());
  ASSERT_FALSE(with);
  EXPECT_EQ(with.error().reason, "bad_provider_file");
  EXPECT_NE(with.error().text.find("b.json"), std::string::npos) << with.error().text;
}

TEST_F(Directory, IdsAreTakenOnce) {
  write("own.json", own_file("box", "own-drive"));
  EXPECT_EQ(builtin().load_directory(path_.string()).error().field, "/id");
  write("own.json", own_file("own", "gmail"));
  EXPECT_EQ(builtin().load_directory(path_.string()).error().field, "/types/0/id");
}

}  // namespace
}  // namespace latchkey::catalog
