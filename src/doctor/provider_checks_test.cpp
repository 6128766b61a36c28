// The checks that look at providers: redirect URIs, outgoing reach, clock, secrets, scopes, consent.
#include <gmock/gmock.h>

#include "base/entropy.h"
#include "doctor/app_secret_check.h"
#include "doctor/clock_check.h"
#include "doctor/consent_check.h"
#include "doctor/doctor_testing.h"
#include "doctor/endpoints_in_use.h"
#include "doctor/outgoing_check.h"
#include "doctor/redirect_uri_check.h"
#include "doctor/scope_check.h"
#include "net/url.h"
#include "oauth/http_date.h"

namespace latchkey::doctor {
namespace {

using std::chrono::days;
using testing::HasSubstr;

constexpr std::string_view kRedirect = "https://latchkey.example/oauth/callback/box";

TEST(RedirectUri, AnswersAreReadForWhatTheySayOfIt) {
  const auto read = [](int status, std::string_view body, std::string location = {}) {
    return read_answer(location.empty() ? reply_with(status, body) : reply_with(status, body, {{"Location", location}}),
                       kRedirect);
  };
  const std::string redirect(kRedirect);
  EXPECT_EQ(read(302, "", redirect + "?error=login_required&state=s"), Registration::known);
  EXPECT_EQ(read(303, "", redirect + "#error=interaction_required"), Registration::known);
  EXPECT_EQ(read(302, "", redirect + "?error=unauthorized_client"), Registration::client_refused);
  EXPECT_EQ(read(302, "", redirect + ".evil.example/?error=login_required"), Registration::untold);
  EXPECT_EQ(read(302, "", "https://login.box.example/?redirect_uri=" + redirect), Registration::untold)
      << "its sign-in page repeats the request";
  EXPECT_EQ(read(400, "<h1>invalid_request</h1>redirect_uri did not match any of the client's registered redirect_uris"),
            Registration::redirect_uri_refused);
  EXPECT_EQ(read(400, "Error: redirect_uri_mismatch"), Registration::redirect_uri_refused);
  EXPECT_EQ(read(302, "", "https://accounts.example/error?e=redirect_uri_mismatch"), Registration::redirect_uri_refused);
  EXPECT_EQ(read(400, R"({"error":"invalid_client","error_description":"client is invalid"})"),
            Registration::client_refused);
  EXPECT_EQ(read(200, "<form><input name='redirect_uri'>Sign in</form>"), Registration::untold);
  EXPECT_EQ(read(500, "redirect_uri"), Registration::untold);
  EXPECT_EQ(read(403, "blocked"), Registration::untold);
}

TEST(RedirectUri, IsAskedAboutWithoutAPersonAndHandedOverByteForByte) {
  Survey survey;
  survey.apps.push_back(app_of(builtin(), "box"));
  base::SystemEntropy entropy;
  net::FormFields query;
  ScriptedTransport transport([&](const net::HttpCall& call) {
    query = net::decode_form(net::Url::parse(call.url).value().query()).value();
    return reply_with(400, "redirect_uri_mismatch");
  });
  RedirectUriCheck check(transport, entropy, oauth::PlainHttp::refused);
  const auto findings = findings_of(check, survey);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].severity, Severity::error);
  EXPECT_EQ(findings[0].handovers.at(0).text, kRedirect);
  EXPECT_EQ(*net::find_field(query, "redirect_uri"), kRedirect);
  EXPECT_EQ(*net::find_field(query, "prompt"), "none");
  EXPECT_EQ(*net::find_field(query, "client_id"), "client-1");
  EXPECT_EQ(*net::find_field(query, "response_type"), "code");
  EXPECT_EQ(transport.asked.size(), 1U);
  EXPECT_TRUE(transport.asked[0].starts_with("GET ")) << transport.asked[0];
  EXPECT_FALSE(transport.secrets_sent);
}

TEST(RedirectUri, OfACloudServicesAppIsItsOperatorsMatter) {
  Survey survey;
  survey.apps.push_back(app_of(builtin(), "box"));
  survey.apps[0].cloud_address = "https://relay.example";
  base::SystemEntropy entropy;
  ScriptedTransport transport([](const net::HttpCall&) { return reply_with(400, "redirect_uri_mismatch"); });
  RedirectUriCheck check(transport, entropy, oauth::PlainHttp::refused);
  const auto findings = findings_of(check, survey);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].severity, Severity::ok);
  EXPECT_THAT(findings[0].seen, testing::HasSubstr("https://relay.example"));
  EXPECT_TRUE(findings[0].handovers.empty()) << "nobody here registers it";
  EXPECT_TRUE(transport.asked.empty());
}

TEST(RedirectUri, PlainHttpIsRefusedBeforeAnybodyIsAsked) {
  Survey survey;
  survey.apps.push_back(app_of(builtin(), "box"));
  survey.apps[0].redirect_uri = "http://latchkey.example/oauth/callback/box";
  base::SystemEntropy entropy;
  ScriptedTransport transport([](const net::HttpCall&) { return unsent("connect_failed"); });
  RedirectUriCheck check(transport, entropy, oauth::PlainHttp::refused);
  const auto findings = findings_of(check, survey);
  EXPECT_EQ(findings.at(0).severity, Severity::error);
  EXPECT_TRUE(transport.asked.empty());
  survey.apps[0].redirect_uri = kRedirect;
  EXPECT_EQ(findings_of(check, survey).at(0).severity, Severity::note) << "nobody answered: it cannot be told";
}

TEST(Outgoing, EveryOriginInUseIsCalledOnce) {
  Survey survey;
  survey.apps.push_back(app_of(builtin(), "sharepoint"));
  const auto origins = origins_in_use(survey);
  std::vector<std::string> names;
  for (const auto& origin : origins) names.push_back(origin.origin);
  EXPECT_THAT(names, testing::UnorderedElementsAre("https://login.microsoftonline.com", "https://graph.microsoft.com"));
  survey.apps.push_back(app_of(builtin(), "sharepoint"));
  EXPECT_EQ(origins_in_use(survey).size(), origins.size());
}

TEST(Outgoing, StagesAreToldApart) {
  Survey survey;
  survey.apps.push_back(app_of(builtin(), "box"));
  base::SimulatedSteadyClock steady;
  Premises premises{.public_url = "https://latchkey.example", .doors = {}};
  const auto found = [&](const std::function<net::HttpOutcome()>& outcome) {
    ScriptedTransport transport([&](const net::HttpCall&) { return outcome(); });
    OutgoingCheck check(premises, transport, steady);
    auto findings = findings_of(check, survey);
    for (const auto& asked : transport.asked) EXPECT_TRUE(asked.starts_with("HEAD https://")) << asked;
    EXPECT_FALSE(transport.secrets_sent);
    return findings.at(0);
  };
  EXPECT_THAT(found([] { return unsent("name_not_resolved"); }).seen, HasSubstr("DNS: "));
  EXPECT_THAT(found([] { return unsent("connect_timeout"); }).seen, HasSubstr("TCP: "));
  EXPECT_THAT(found([] { return unsent("connect_failed"); }).seen, HasSubstr("TCP: "));
  EXPECT_THAT(found([] { return unsent("tls_untrusted"); }).seen, HasSubstr("TLS: "));
  EXPECT_THAT(found([] { return unsent("proxy_refused"); }).seen, HasSubstr("Proxy: "));
  EXPECT_THAT(found([] { return unsent("address_not_allowed"); }).remedy, HasSubstr("outbound.allow"));
  EXPECT_EQ(found([] { return unsent("connect_failed"); }).severity, Severity::error);
  EXPECT_EQ(found([] { return reply_with(405); }).severity, Severity::ok);
  EXPECT_EQ(found([] { return reply_with(503); }).severity, Severity::warning);
  EXPECT_EQ(found([] { return reply_with(407); }).severity, Severity::error);
  const auto cut = found(
      [] { return net::HttpOutcome(net::Ambiguous{.error = fail(ErrorKind::ambiguous, "reply_lost", "Broke.").error()}); });
  EXPECT_THAT(cut.seen, HasSubstr("HTTP: "));
  premises.outbound_proxy = "http://proxy.office.example:3128";
  EXPECT_THAT(found([] { return reply_with(200); }).seen, HasSubstr("through http://proxy.office.example:3128"));
}

TEST(Clock, TheReadingsOwnUncertaintyCountsAsNone) {
  const auto noon = base::from_unix_ms(1'800'000'000'000);
  EXPECT_EQ(clock_difference(noon + Milliseconds(900), noon, Milliseconds(0)), Milliseconds(0)) << "within their second";
  EXPECT_EQ(clock_difference(noon + Milliseconds(1'900), noon, Milliseconds(1'000)), Milliseconds(0))
      << "the answer took a second";
  EXPECT_EQ(clock_difference(noon + Seconds(62), noon, Milliseconds(1'000)), Seconds(60));
  EXPECT_EQ(clock_difference(noon - Seconds(60), noon, Milliseconds(1'000)), -Seconds(60));
}

TEST(Clock, IsHeldAgainstTheDateOfTheAnswer) {
  Survey survey;
  survey.apps.push_back(app_of(builtin(), "box"));
  base::SimulatedWallClock wall(*oauth::parse_http_date("Fri, 27 Nov 2026 12:00:00 GMT"));
  base::SimulatedSteadyClock steady;
  const auto found = [&](std::string date) {
    ScriptedTransport transport([&](const net::HttpCall&) { return reply_with(401, "", {{"Date", date}}); });
    ClockCheck check(transport, wall, steady);
    return findings_of(check, survey).at(0);
  };
  EXPECT_EQ(found("Fri, 27 Nov 2026 12:00:00 GMT").severity, Severity::ok);
  EXPECT_EQ(found("Fri, 27 Nov 2026 11:58:00 GMT").severity, Severity::warning);
  EXPECT_THAT(found("Fri, 27 Nov 2026 11:58:00 GMT").seen, HasSubstr("ahead of"));
  EXPECT_THAT(found("Fri, 27 Nov 2026 13:00:00 GMT").seen, HasSubstr("behind"));
  EXPECT_EQ(found("Fri, 27 Nov 2026 13:00:00 GMT").severity, Severity::error);
  EXPECT_EQ(found("yesterday").severity, Severity::note);
}

TEST(AppSecrets, TheLastOneToRunOutCounts) {
  base::SimulatedWallClock wall;
  AppSecretCheck check(wall);
  const auto found = [&](std::array<SurveyedApp::Secret, 2> secrets, bool paused = false) {
    Survey survey;
    survey.apps.push_back(app_of(builtin(), "box"));
    survey.apps[0].secrets = secrets;
    survey.apps[0].paused = paused;
    return findings_of(check, survey).at(0);
  };
  EXPECT_EQ(found({}).severity, Severity::error) << "Box takes nobody without one";
  EXPECT_EQ(found({{{true, wall.now() + days(100)}, {}}}).severity, Severity::ok);
  EXPECT_EQ(found({{{true, wall.now() + days(20)}, {}}}).severity, Severity::warning);
  EXPECT_EQ(found({{{true, wall.now() + days(3)}, {}}}).severity, Severity::error);
  EXPECT_EQ(found({{{true, wall.now() - days(3)}, {true, wall.now() + days(100)}}}).severity, Severity::ok);
  EXPECT_EQ(found({{{true, std::nullopt}, {}}}).severity, Severity::note);
  EXPECT_EQ(found({{{true, wall.now() + days(100)}, {}}}, true).severity, Severity::error) << "refused by the provider";
}

TEST(Scopes, AskedAgainstGranted) {
  Survey survey;
  survey.apps.push_back(app_of(builtin(), "sharepoint"));
  ScopeCheck check;
  EXPECT_EQ(findings_of(check, survey).at(0).severity, Severity::note);
  auto& type = survey.apps[0].types[0];
  type.grants = 3;
  EXPECT_EQ(findings_of(check, survey).at(0).severity, Severity::ok);
  type.lacking = 1;
  type.missing_scopes = "Files.ReadWrite.All";
  const auto finding = findings_of(check, survey).at(0);
  EXPECT_EQ(finding.severity, Severity::warning);
  EXPECT_THAT(finding.seen, HasSubstr("1 of 3 grants lack scopes that were asked for: Files.ReadWrite.All."));
  EXPECT_THAT(finding.handovers.at(0).text, HasSubstr("offline_access"));
}

TEST(Scopes, OfACloudServicesAppAreItsOperatorsMatter) {
  Survey survey;
  survey.apps.push_back(app_of(builtin(), "sharepoint"));
  survey.apps[0].cloud_address = "https://relay.example";
  ScopeCheck check;
  EXPECT_THAT(findings_of(check, survey).at(0).remedy, HasSubstr("operator"));
  survey.apps[0].types[0].grants = survey.apps[0].types[0].lacking = 1;
  EXPECT_THAT(findings_of(check, survey).at(0).remedy, HasSubstr("operator"));
}

TEST(TenantConsent, EachLinkIsHandedOverOnce) {
  Survey survey;
  survey.apps.push_back(app_of(builtin(), "sharepoint"));
  survey.apps[0].types[0].links = {"https://login.example/contoso/adminconsent?client_id=1"};
  survey.apps[0].types.push_back(survey.apps[0].types[0]);
  survey.apps.push_back(app_of(builtin(), "box"));
  ConsentCheck check;
  const auto findings = findings_of(check, survey);
  ASSERT_EQ(findings.size(), 1U) << "Box has no such address";
  ASSERT_EQ(findings[0].handovers.size(), 1U);
  EXPECT_EQ(findings[0].handovers[0].text, "https://login.example/contoso/adminconsent?client_id=1");
  EXPECT_THAT(findings[0].remedy, HasSubstr("send this address to one of them"));
  EXPECT_THAT(findings[0].remedy, HasSubstr("this server's own page"));
  survey.apps[0].cloud_address = "https://relay.example";
  const auto services = findings_of(check, survey).at(0);
  EXPECT_THAT(services.remedy, HasSubstr("The Cloud Service's operator has registered the app"));
  EXPECT_THAT(services.remedy, testing::Not(HasSubstr("this server")));
}

}  // namespace
}  // namespace latchkey::doctor
