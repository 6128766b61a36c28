// What is looked at of an app that nobody has used yet, with the provider files that are shipped.
#include "doctor/survey.h"

#include <gmock/gmock.h>

#include "base/entropy.h"
#include "doctor/consent_check.h"
#include "doctor/doctor_testing.h"
#include "doctor/redirect_uri_check.h"
#include "doctor/scope_check.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_testing.h"

namespace latchkey::doctor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class SurveyTest : public testing::Test {
 protected:
  Survey survey_with(const std::string& provider) {
    store::App app;
    app.id = app.provider = provider;
    app.client_id = "client-1";
    app.token_origin = "https://login.example";
    app.mac = Bytes(32);
    app.version = 0;
    store::Batch batch;
    batch.push_back(store::PutApp{app});
    EXPECT_TRUE(store::wait_for(store->commit(std::move(batch))));
    return store::wait_for(take_survey({.store = *store, .catalog = catalog, .public_url = "https://latchkey.example"})).value();
  }
  std::vector<std::string> types_of(const SurveyedApp& app) {
    std::vector<std::string> out;
    for (const auto& each : app.types) out.push_back(each.type.type->id);
    return out;
  }

  store::TemporaryDirectory directory;
  base::SimulatedWallClock wall;
  base::MemoryLog log;
  std::shared_ptr<const catalog::Catalog> catalog = catalog::Catalog::load_builtin().value();
  std::unique_ptr<store::Store> store = store::open_sqlite_store({.path = directory.path() + "/latchkey.db"}, wall, log).value();
};

TEST_F(SurveyTest, BeforeTheFirstGrantAllTypesAreLookedAtThoseOfOrganizationsFirst) {
  const auto survey = survey_with("microsoft");
  ASSERT_EQ(survey.apps.size(), 1U);
  EXPECT_THAT(types_of(survey.apps[0]), ElementsAre("onedrive-business", "sharepoint", "email-office365", "smtp-office365", "onedrive"))
      << "but for the one that needs more to be entered";

  ConsentCheck consent;
  const auto links = findings_of(consent, survey);
  ASSERT_EQ(links.size(), 1U);
  ASSERT_EQ(links[0].handovers.size(), 1U) << "and none for private accounts";
  EXPECT_EQ(links[0].handovers[0].text, "https://login.microsoftonline.com/organizations/adminconsent?client_id=client-1");

  ScopeCheck scopes;
  EXPECT_EQ(findings_of(scopes, survey).size(), 5U) << "each with what it asks for";
}

TEST_F(SurveyTest, ARegistrationForPrivateAccountsAloneIsFoundToo) {
  const auto survey = survey_with("microsoft");
  base::SystemEntropy entropy;
  const auto judged = [&](std::string_view known_at) {
    ScriptedTransport transport([&](const net::HttpCall& call) -> net::HttpOutcome {
      if (!call.url.contains(known_at)) return reply_with(400, "unauthorized_client: not for this kind of account");
      return reply_with(302, "", {{"Location", "https://latchkey.example/oauth/callback/microsoft?error=login_required"}});
    });
    RedirectUriCheck check(transport, entropy, oauth::PlainHttp::refused);
    const auto severity = findings_of(check, survey).at(0).severity;
    return std::pair(severity, transport.asked);
  };
  const auto [for_work, asked] = judged("/organizations/");
  EXPECT_EQ(for_work, Severity::ok);
  EXPECT_THAT(asked, ElementsAre(HasSubstr("/organizations/oauth2/v2.0/authorize"))) << "known there, and nobody else is asked";
  const auto [for_home, asked_both] = judged("/consumers/");
  EXPECT_EQ(for_home, Severity::ok);
  EXPECT_THAT(asked_both, ElementsAre(HasSubstr("/organizations/"), HasSubstr("/consumers/")));
  EXPECT_EQ(judged("nowhere").first, Severity::error);
}

}  // namespace
}  // namespace latchkey::doctor
