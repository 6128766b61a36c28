#include "sandbox/practice_service.h"

#include <gmock/gmock.h>

#include <regex>

#include "base/json.h"
#include "crypto/hash.h"
#include "net/net_testing.h"
#include "net/url.h"

namespace latchkey::sandbox {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kVerifier = "a-verifier-of-at-least-forty-three-characters-long";
constexpr std::string_view kRedirect = "http://localhost:8480/oauth/callback/sandbox";
constexpr std::string_view kForm = "application/x-www-form-urlencoded";

struct Answer {
  int status = 0;
  std::string head;
  std::string body;

  [[nodiscard]] std::string header(const std::string& name) const {
    std::smatch found;
    const std::regex pattern("\r\n" + name + ": ([^\r]*)", std::regex::icase);
    return std::regex_search(head, found, pattern) ? found[1].str() : std::string();
  }
  [[nodiscard]] JsonObject json() const { return parse_json(body)->as_object(); }
};

// The service behind a real server on a real socket.
class PracticeServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server.start({{}}));
    port = server.ports().front();
  }
  void TearDown() override {
    loop.run(server.stop(std::chrono::steady_clock::now() + Seconds(5)));
    loop.stop();
  }
  Answer call(std::string_view method, std::string_view target, std::string_view body = {}, std::string_view type = {},
              std::string_view more = {}) const {
    std::string request = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    if (!type.empty()) request += "Content-Type: " + std::string(type) + "\r\n";
    if (method != "GET") request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    request += std::string(more) + "\r\n" + std::string(body);
    const auto socket = net::RawSocket::connect(port);
    EXPECT_TRUE(socket.send(request));
    const std::string all = socket.receive_to_end();
    const auto end = all.find("\r\n\r\n");
    if (end == std::string::npos) return {};
    return {std::stoi(all.substr(9, 3)), all.substr(0, end + 2), all.substr(end + 4)};
  }
  Answer post(std::string_view target, const net::FormFields& fields, std::string_view more = {}) const {
    return call("POST", target, net::encode_form(fields), kForm, more);
  }
  static std::string hidden(const Answer& page, const std::string& name) {
    std::smatch found;
    return std::regex_search(page.body, found, std::regex("name=\"" + name + "\" value=\"([^\"]*)\"")) ? found[1].str() : std::string();
  }
  Answer control(net::FormFields fields) const {
    fields.emplace_back("csrf", hidden(call("GET", "/"), "csrf"));
    return post("/control", fields);
  }
  Answer consent_page() const {
    return call("GET", "/authorize?" + net::encode_form({{"response_type", "code"},
                                                         {"client_id", std::string(kClientId)},
                                                         {"redirect_uri", std::string(kRedirect)},
                                                         {"scope", "openid email drive mail offline_access"},
                                                         {"state", "the-state"},
                                                         {"code_challenge", base::to_base64url(crypto::sha256(base::as_bytes(kVerifier)))},
                                                         {"code_challenge_method", "S256"}}));
  }
  static net::FormFields query_of(const std::string& location) {
    return net::decode_form(location.substr(location.find('?') + 1)).value();
  }
  Answer token(net::FormFields fields) const {
    fields.emplace_back("client_id", std::string(kClientId));
    fields.emplace_back("client_secret", std::string(kClientSecret));
    return post("/token", fields);
  }
  // The whole walk of a browser and a client.
  JsonObject authorise(const std::string& person = "anna-practice", const std::string& name = {}) const {
    const auto page = consent_page();
    const auto gone = post("/consent", {{"ticket", hidden(page, "ticket")}, {"person", person}, {"name", name}, {"decision", "allow"}});
    EXPECT_EQ(gone.status, 303) << gone.body;
    const auto parameters = query_of(gone.header("Location"));
    EXPECT_EQ(*net::find_field(parameters, "state"), "the-state");
    return token({{"grant_type", "authorization_code"},
                  {"code", *net::find_field(parameters, "code")},
                  {"redirect_uri", std::string(kRedirect)},
                  {"code_verifier", std::string(kVerifier)}})
        .json();
  }
  static std::string bearer(const JsonObject& reply) {
    return "Authorization: Bearer " + base::string_or(reply, "access_token") + "\r\n";
  }

  net::LoopThread loop;
  base::SystemWallClock wall;
  base::SystemSteadyClock steady;
  base::SystemEntropy entropy;
  base::MemoryLog log;
  PracticeService service{{"http://localhost:8481", "http://localhost:8480"}, wall, steady, entropy};
  net::BodyBudget bodies{{.bytes_max = 1 << 28, .source_bytes_max = 1 << 28}};
  net::HttpServer server{loop.loop, service, wall, log, {}, &bodies};
  std::uint16_t port = 0;
};

TEST_F(PracticeServiceTest, WalksFromConsentToUserinfo) {
  const auto reply = authorise("other", "Zoë <b>");
  const auto who = call("GET", "/userinfo", {}, {}, bearer(reply));
  EXPECT_EQ(who.status, 200);
  EXPECT_EQ(base::string_or(who.json(), "name"), "Zoë <b>");
  // What people type is shown as text.
  EXPECT_THAT(call("GET", "/").body, AllOf(HasSubstr("Zoë &lt;b&gt;"), Not(HasSubstr("<b>"))));
  EXPECT_EQ(call("GET", "/userinfo").status, 401);
}

TEST_F(PracticeServiceTest, EveryPageSaysThatNothingIsRealAndAllowsNoScript) {
  for (const Answer& page : {call("GET", "/"), consent_page(), call("GET", "/authorize?client_id=x"), call("GET", "/nowhere")}) {
    EXPECT_THAT(page.body, HasSubstr("Nothing here is real"));
    EXPECT_THAT(page.body, AllOf(Not(HasSubstr("<script")), Not(HasSubstr("style=")), Not(HasSubstr("onclick"))));
    EXPECT_THAT(page.header("Content-Security-Policy"), AllOf(HasSubstr("default-src 'none'"), Not(HasSubstr("unsafe")), Not(HasSubstr("script-src"))));
    EXPECT_EQ(page.header("Cache-Control"), "no-store");
  }
  EXPECT_EQ(call("GET", "/nowhere").status, 404);
  EXPECT_THAT(consent_page().header("Content-Security-Policy"), HasSubstr("form-action 'self' http://localhost:8480;"));
  EXPECT_EQ(call("GET", "/style.css").header("Content-Type"), "text/css; charset=utf-8");
}

TEST_F(PracticeServiceTest, AsksAgainWhenTheAnswerIsIncomplete) {
  const std::string ticket = hidden(consent_page(), "ticket");
  const auto unnamed = post("/consent", {{"ticket", ticket}, {"person", "other"}, {"name", " "}, {"decision", "allow"}});
  EXPECT_EQ(unnamed.status, 422);
  EXPECT_THAT(unnamed.body, HasSubstr("Type a name"));
  EXPECT_EQ(post("/consent", {{"ticket", ticket}, {"person", "anna-practice"}, {"decision", "allow"}}).status, 303);
  EXPECT_EQ(post("/consent", {{"ticket", ticket}, {"person", "anna-practice"}, {"decision", "allow"}}).status, 400);
}

TEST_F(PracticeServiceTest, RefuseGoesBackWithAccessDenied) {
  const auto gone = post("/consent", {{"ticket", hidden(consent_page(), "ticket")}, {"decision", "refuse"}});
  EXPECT_THAT(gone.header("Location"), AllOf(HasSubstr("error=access_denied"), HasSubstr("iss=http")));
}

TEST_F(PracticeServiceTest, TheControlPageSteersTheNextAnswers) {
  const auto reply = authorise();
  const std::string refresh_token = base::string_or(reply, "refresh_token");
  const net::FormFields refresh{{"grant_type", "refresh_token"}, {"refresh_token", refresh_token}};
  EXPECT_EQ(control({{"action", "save"}, {"refresh_refusal", "next"}, {"token_lifetime", "60"}, {"rotation", "none"}}).status, 303);
  EXPECT_EQ(base::string_or(token(refresh).json(), "error"), "invalid_grant");
  EXPECT_EQ(token(refresh).json().at("expires_in").as_int64(), 60);
  control({{"action", "save"}, {"app_secret", "expired"}});
  EXPECT_EQ(token(refresh).status, 401);
  control({{"action", "save"}, {"app_secret", "valid"}, {"availability", "outage"}});
  const auto down = token(refresh);
  EXPECT_EQ(down.status, 503);
  EXPECT_EQ(down.header("Retry-After"), "30");
  EXPECT_EQ(call("GET", "/").status, 200);
  control({{"action", "reset"}});
  EXPECT_EQ(token(refresh).status, 200);
}

TEST_F(PracticeServiceTest, SlownessDelaysTheTokenEndpointButNotThePage) {
  control({{"action", "save"}, {"slowness", "1"}});
  const auto before = std::chrono::steady_clock::now();
  call("GET", "/");
  EXPECT_EQ(token({{"grant_type", "x"}}).status, 400);
  EXPECT_GE(std::chrono::steady_clock::now() - before, Seconds(1));
}

TEST_F(PracticeServiceTest, WithdrawingOnThePageEndsTheGrant) {
  const auto reply = authorise();
  const std::string family = hidden(call("GET", "/"), "family");
  ASSERT_FALSE(family.empty());
  EXPECT_EQ(control({{"action", "end"}, {"family", family}}).status, 303);
  EXPECT_EQ(call("GET", "/userinfo", {}, {}, bearer(reply)).status, 401);
  EXPECT_EQ(control({{"action", "end"}, {"family", family}}).status, 404);
}

TEST_F(PracticeServiceTest, ForeignFormsChangeNothing) {
  EXPECT_EQ(post("/control", {{"action", "save"}, {"rotation", "none"}, {"csrf", "guess"}}).status, 403);
  const net::FormFields good{{"action", "save"}, {"rotation", "none"}, {"csrf", hidden(call("GET", "/"), "csrf")}};
  EXPECT_EQ(post("/control", good, "Sec-Fetch-Site: cross-site\r\n").status, 403);
  EXPECT_EQ(post("/consent", {{"ticket", hidden(consent_page(), "ticket")}, {"decision", "allow"}}, "Sec-Fetch-Site: same-site\r\n").status, 400);
  EXPECT_EQ(control({{"action", "save"}, {"rotation", "sometimes"}}).status, 422);
  EXPECT_THAT(call("GET", "/").body, HasSubstr("value=\"single_use_family\" selected"));
}

TEST_F(PracticeServiceTest, AnAnswerOfTheMailboxIsLostOnce) {
  const auto who = bearer(authorise()) + "Idempotency-Key: k1\r\nEnvelope-To: a@x.example, b@x.example\r\n";
  EXPECT_EQ(control({{"action", "save"}, {"mail_answer", "lost_next"}}).status, 303);
  EXPECT_EQ(call("POST", "/mail/messages", "Subject: Scan\r\n\r\nhello", "message/rfc822", who).status, 0) << "the line closes";
  EXPECT_EQ(call("POST", "/mail/messages", "Subject: Scan\r\n\r\nhello", "message/rfc822", who).status, 200) << "it had arrived";
  const auto list = call("GET", "/mail/messages", {}, {}, who).json();
  ASSERT_EQ(base::find_array(list, "items")->size(), 1U);
  EXPECT_EQ(base::find_array(base::find_array(list, "items")->front().as_object(), "recipients")->size(), 2U);
}

TEST_F(PracticeServiceTest, DriveAndMailboxTakeWhatABearerBrings) {
  const std::string who = bearer(authorise());
  const auto put = call("PUT", "/drive/files/Scans/a%20b.pdf", "%PDF", "application/pdf", who);
  EXPECT_EQ(put.status, 201);
  EXPECT_EQ(base::string_or(put.json(), "path"), "Scans/a b.pdf");
  EXPECT_EQ(call("PUT", "/drive/files/Scans/a%20b.pdf", "%PDF2", "application/pdf", who).status, 200);
  EXPECT_EQ(call("PUT", "/drive/files/Scans/a%20b.pdf", "x", {}, who + "If-None-Match: *\r\n").status, 412);
  const auto read = call("GET", "/drive/files/Scans/a%20b.pdf", {}, {}, who);
  EXPECT_EQ(read.body, "%PDF2");
  EXPECT_EQ(read.header("Content-Disposition"), "attachment");
  EXPECT_EQ(call("GET", "/drive/files", {}, {}, who).json().at("items").as_array().size(), 1U);
  EXPECT_EQ(call("GET", "/drive/files").status, 401);
  EXPECT_EQ(call("POST", "/mail/messages", "Subject: Scan\r\n\r\nhello", "message/rfc822", who).status, 202);
  EXPECT_THAT(call("GET", "/mail/messages", {}, {}, who).body, HasSubstr("\"subject\":\"Scan\""));
  EXPECT_EQ(call("DELETE", "/drive/files/Scans/a%20b.pdf", {}, {}, who).status, 204);
  // Another account sees its own only.
  EXPECT_THAT(call("GET", "/mail/messages", {}, {}, bearer(authorise("ben-rehearsal"))).body, Not(HasSubstr("Scan")));
}

TEST_F(PracticeServiceTest, UploadsComeInPartsAndAreResumed) {
  const std::string who = bearer(authorise());
  const auto begin = [&](const std::string& more) {
    return call("POST", "/drive/uploads", R"({"path":"Scans/a.pdf","size":10,"key":"k1")" + more + "}", "application/json", who);
  };
  EXPECT_EQ(begin("").json().at("next").as_int64(), 0);
  const auto part = [&](const std::string& range, const std::string& octets) {
    return call("PUT", "/drive/uploads/k1", octets, {}, who + "Content-Range: bytes " + range + "/10\r\n");
  };
  EXPECT_EQ(part("0-3", "0123").json().at("next").as_int64(), 4);
  EXPECT_EQ(part("0-3", "0123").status, 416) << "a part twice";
  EXPECT_EQ(part("6-9", "6789").status, 416) << "a part left out";
  EXPECT_EQ(part("4-9", "45").status, 400);
  EXPECT_EQ(begin("").json().at("next").as_int64(), 4) << "the same key goes on";
  EXPECT_EQ(call("GET", "/drive/uploads/k1", {}, {}, who).json().at("next").as_int64(), 4);
  const auto last = part("4-9", "456789");
  EXPECT_EQ(last.status, 201);
  EXPECT_EQ(base::string_or(last.json().at("file").as_object(), "sha256"), base::to_hex(crypto::sha256(base::as_bytes("0123456789"))));
  EXPECT_EQ(call("GET", "/drive/files/Scans/a.pdf", {}, {}, who).body, "0123456789");
  // The answer was lost: whoever asks again learns of the same file, and no second one comes about.
  EXPECT_EQ(part("4-9", "456789").json(), last.json());
  EXPECT_EQ(base::string_or(begin("").json().at("file").as_object(), "path"), "Scans/a.pdf");
  EXPECT_EQ(call("GET", "/drive/files", {}, {}, who).json().at("items").as_array().size(), 1U);
  EXPECT_EQ(call("GET", "/drive/uploads/k1", {}, {}, bearer(authorise("ben-rehearsal"))).status, 404) << "another account's";
}

TEST_F(PracticeServiceTest, D10_ConflictsEndAsTheUploadAsks) {
  const std::string who = bearer(authorise());
  int key = 0;
  const auto upload = [&](const std::string& rule) {
    return call("POST", "/drive/uploads",
                R"({"path":"a.pdf","size":0,"key":"c)" + std::to_string(++key) + R"(","conflict":")" + rule + R"("})", "application/json", who);
  };
  const auto path = [](const Answer& answer) { return base::string_or(answer.json().at("file").as_object(), "path"); };
  EXPECT_EQ(path(upload("fail")), "a.pdf");
  EXPECT_EQ(upload("fail").status, 409);
  EXPECT_EQ(path(upload("rename")), "a (2).pdf");
  EXPECT_EQ(path(upload("rename")), "a (3).pdf");
  EXPECT_EQ(path(upload("replace")), "a.pdf");
  EXPECT_EQ(upload("new_version").json().at("file").at("version").as_int64(), 2);
  EXPECT_EQ(upload("nonsense").status, 400);
  EXPECT_EQ(call("GET", "/drive/files", {}, {}, who).json().at("items").as_array().size(), 3U);
}

TEST_F(PracticeServiceTest, LargeFilesAreKnownByTheirHash) {
  const std::string who = bearer(authorise());
  const std::string part(kUploadPartBytesMax, 'x');
  const auto size = 3 * part.size();
  EXPECT_EQ(call("POST", "/drive/uploads", R"({"path":"big","key":"b","size":)" + std::to_string(size) + "}", "application/json", who).status, 201);
  crypto::Sha256 hash;
  Answer last;
  for (std::size_t at = 0; at < size; at += part.size()) {
    hash.update(base::as_bytes(part));
    last = call("PUT", "/drive/uploads/b", part, {}, who + "Content-Range: bytes " + std::to_string(at) + "-" + std::to_string(at + part.size() - 1) + "/" + std::to_string(size) + "\r\n");
  }
  EXPECT_EQ(base::string_or(last.json().at("file").as_object(), "sha256"), base::to_hex(hash.finish()));
  EXPECT_EQ(call("GET", "/drive/files/big", {}, {}, who).status, 410);
}

TEST_F(PracticeServiceTest, MetadataNamesEveryEndpoint) {
  const auto metadata = call("GET", "/.well-known/openid-configuration").json();
  EXPECT_EQ(base::string_or(metadata, "issuer"), "http://localhost:8481");
  EXPECT_EQ(base::string_or(metadata, "revocation_endpoint"), "http://localhost:8481/revoke");
  EXPECT_TRUE(metadata.at("authorization_response_iss_parameter_supported").as_bool());
}

}  // namespace
}  // namespace latchkey::sandbox
