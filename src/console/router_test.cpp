#include "console/router.h"

#include "console/console_testing.h"
#include "console/fields.h"

namespace latchkey::console {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Section final : public ApiSection {
 public:
  std::vector<Route> routes() override {
    const auto echo = [this](Call call) { return echo_call(std::move(call)); };
    return {
        {"GET", "/api/v1/open", Who::anyone, Carries::nothing_secret, 1024, echo},
        {"GET", "/api/v1/things", Who::signed_in, Carries::nothing_secret, 1024, echo},
        {"POST", "/api/v1/things", Who::administrator, Carries::nothing_secret, 1024, echo},
        {"POST", "/api/v1/things/bulk", Who::administrator, Carries::nothing_secret, 1024, echo},
        {"GET", "/api/v1/things/{id}", Who::signed_in, Carries::nothing_secret, 1024, echo},
        {"POST", "/api/v1/things/{id}", Who::administrator, Carries::nothing_secret, 1024, echo},
        {"POST", "/api/v1/door", Who::anyone, Carries::secret, 1024, echo},
        {"GET", "/api/v1/fails", Who::anyone, Carries::nothing_secret, 1024, [this](Call call) { return fails(std::move(call)); }},
        {"GET", "/api/v1/away", Who::anyone, Carries::nothing_secret, 1024, [this](Call call) { return away(std::move(call)); }},
        {"GET", "/api/v1/throws", Who::anyone, Carries::nothing_secret, 1024, [this](Call call) { return throws(std::move(call)); }},
    };
  }
  Task<Answer> echo_call(Call call) {
    std::string values;
    for (const auto& value : call.values) values += value + ";";
    co_return net::HttpResponse::json(200, JsonObject{{"who", call.principal.username}, {"values", values}, {"source", call.source()}});
  }
  Task<Answer> fails(Call) {
    co_return refuse(Error{.kind = ErrorKind::corrupt, .reason = "ciphertext_rejected", .text = "Row 7 is rotten.", .detail = "deep words"});
  }
  Task<Answer> away(Call) {
    co_return refuse(Error{.kind = ErrorKind::unavailable, .reason = "store_unavailable", .text = "The database at db.internal cannot be reached.",
                           .detail = "user latchkey"});
  }
  Task<Answer> throws(Call) {
    throw std::runtime_error("planned");
    co_return net::HttpResponse::no_content();
  }
};

class RouterTest : public testing::Test {
 protected:
  Section section;
  NamedGate gate;
  base::MemoryLog log;
  Router router{{&section}, gate, "https://latchkey.example", log};
  ServedHandler served{router};
};

TEST_F(RouterTest, AnswersWithTheValuesOfThePathAndPrefersLiteralPaths) {
  EXPECT_EQ(base::string_or(served.ask(as("anna", {.target = "/api/v1/things/7f"})).json(), "values"), "7f;");
  EXPECT_EQ(base::string_or(served.ask(as("admin", {.method = "POST", .target = "/api/v1/things/bulk"})).json(), "values"), "");
  EXPECT_EQ(base::string_or(served.ask(as("admin", {.method = "POST", .target = "/api/v1/things/bulky"})).json(), "values"), "bulky;");
}

TEST_F(RouterTest, UnknownAddressesAndMethodsAreSaidSo) {
  const auto unknown = served.get("/api/v1/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.code(), "not_found");
  EXPECT_EQ(served.get("/api/v1/things/").status, 404);
  EXPECT_EQ(served.get("/api/v1/things/a/b").status, 404);
  const auto method = served.ask({.method = "DELETE", .target = "/api/v1/things"});
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.header("allow"), "GET, POST");
}

TEST_F(RouterTest, WithoutASessionNothingButTheOpenRoutesAnswers) {
  EXPECT_EQ(served.get("/api/v1/open").status, 200);
  const auto refused = served.get("/api/v1/things");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.code(), "not_signed_in");
  EXPECT_EQ(served.ask({.method = "POST", .target = "/api/v1/things"}).status, 401);
}

TEST_F(RouterTest, RegularPeopleAreKeptFromAdministratorsMatters) {
  const auto refused = served.ask(as("anna", {.method = "POST", .target = "/api/v1/things"}));
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.code(), "not_allowed");
}

TEST_F(RouterTest, EveryChangeNeedsTheCsrfToken) {
  const auto without = served.ask({.method = "POST", .target = "/api/v1/things", .headers = {{"Cookie", "latchkey=admin"}}});
  EXPECT_EQ(without.status, 403);
  EXPECT_EQ(without.code(), "csrf_failed");
  const auto wrong = served.ask({.method = "POST", .target = "/api/v1/things",
                                 .headers = {{"Cookie", "latchkey=admin"}, {"X-CSRF-Token", "csrf-anna"}}});
  EXPECT_EQ(wrong.code(), "csrf_failed");
  EXPECT_EQ(served.ask(as("admin", {.method = "POST", .target = "/api/v1/things"})).status, 200);
  // Signing in needs one as well, of an anonymous session.
  EXPECT_EQ(served.ask({.method = "POST", .target = "/api/v1/door"}).code(), "csrf_failed");
  EXPECT_EQ(served.ask(as("anonymous", {.method = "POST", .target = "/api/v1/door"})).status, 200);
}

TEST_F(RouterTest, OtherSitesPagesAreRefusedEvenWithCookieAndToken) {
  auto send = as("admin", {.method = "POST", .target = "/api/v1/things"});
  send.headers.emplace_back("Origin", "https://evil.example");
  EXPECT_EQ(served.ask(send).code(), "csrf_failed");
  auto same_site = as("admin", {.target = "/api/v1/things"});
  same_site.headers.emplace_back("Sec-Fetch-Site", "same-site");
  EXPECT_EQ(served.ask(same_site).status, 403);
  auto null_origin = as("admin", {.method = "POST", .target = "/api/v1/things"});
  null_origin.headers.emplace_back("Origin", "null");
  EXPECT_EQ(served.ask(null_origin).status, 403);
  auto own = as("admin", {.method = "POST", .target = "/api/v1/things"});
  own.headers.emplace_back("Origin", served.origin());
  own.headers.emplace_back("Sec-Fetch-Site", "same-origin");
  EXPECT_EQ(served.ask(own).status, 200);
  auto by_public_url = as("admin", {.method = "POST", .target = "/api/v1/things"});
  by_public_url.headers.emplace_back("Origin", "https://latchkey.example");
  EXPECT_EQ(served.ask(by_public_url).status, 200);
}

TEST_F(RouterTest, BodiesAreBoundedBeforeTheyAreRead) {
  auto send = as("admin", {.method = "POST", .target = "/api/v1/things", .body = std::string(2000, 'x')});
  EXPECT_EQ(served.ask(send).status, 413);
}

TEST_F(RouterTest, FaultsInsideAreLoggedAndNotExplained) {
  const auto failed = served.get("/api/v1/fails");
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(failed.code(), "internal");
  EXPECT_THAT(failed.body, testing::Not(HasSubstr("rotten")));
  EXPECT_THAT(failed.body, testing::Not(HasSubstr("deep words")));
  EXPECT_THAT(log.text(), HasSubstr("deep words"));
  EXPECT_EQ(served.get("/api/v1/throws").status, 500);
  EXPECT_THAT(log.text(), HasSubstr("planned"));
}

TEST_F(RouterTest, WhereTheDatabaseIsIsForAdministratorsAlone) {
  for (const auto* who : {"", "anonymous", "anna"}) {
    const auto refused = served.ask(as(who, {.target = "/api/v1/away"}));
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.code(), "not_ready");
    EXPECT_THAT(refused.body, testing::Not(HasSubstr("db.internal"))) << who;
    EXPECT_THAT(refused.body, testing::Not(HasSubstr("user latchkey"))) << who;
    EXPECT_THAT(refused.body, HasSubstr("does not answer"));
  }
  EXPECT_THAT(served.ask(as("admin", {.target = "/api/v1/away"})).body, HasSubstr("db.internal"));
  EXPECT_THAT(log.text(), HasSubstr("user latchkey"));
}

TEST_F(RouterTest, AnswersAreNeverStoredSniffedOrFramed) {
  for (const auto* target : {"/api/v1/open", "/api/v1/nothing", "/api/v1/things"}) {
    const auto answer = served.get(target);
    EXPECT_EQ(answer.header("cache-control"), "no-store");
    EXPECT_EQ(answer.header("x-content-type-options"), "nosniff");
    EXPECT_EQ(answer.header("referrer-policy"), "no-referrer");
    EXPECT_EQ(answer.header("cross-origin-resource-policy"), "same-origin");
    EXPECT_THAT(answer.header("content-security-policy"), HasSubstr("default-src 'none'"));
    EXPECT_THAT(answer.header("permissions-policy"), HasSubstr("camera=()"));
  }
}

TEST(RouterInClear, SecretsAreRefusedFromAfarWithTheWayOut) {
  Section section;
  NamedGate gate;
  base::MemoryLog log;
  Router router({&section}, gate, "http://latchkey.example", log);
  // The proxy says that the client is far away and spoke plain http.
  ServedHandler served(router, *net::TrustedProxies::parse({"127.0.0.1"}));
  auto far = as("anonymous", {.method = "POST", .target = "/api/v1/door"});
  far.headers.emplace_back("X-Forwarded-For", "203.0.113.9");
  far.headers.emplace_back("X-Forwarded-Proto", "http");
  const auto refused = served.ask(far);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.code(), "insecure_transport");
  EXPECT_THAT(refused.body, HasSubstr("tls.certificate"));
  EXPECT_THAT(refused.body, HasSubstr("trusted_proxies"));
  far.headers.back().second = "https";
  EXPECT_EQ(served.ask(far).status, 200);
}

TEST(RouterOnTheControlSocket, NeedsNeitherCookieNorToken) {
  Section section;
  CommandLineGate gate;
  base::MemoryLog log;
  Router router({&section}, gate, "https://latchkey.example", log);
  ServedHandler served(router);
  const auto answer = served.ask({.method = "POST", .target = "/api/v1/things"});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(base::string_or(answer.json(), "who"), "cli");
  EXPECT_EQ(base::string_or(answer.json(), "source"), "");
}

}  // namespace
}  // namespace latchkey::console
