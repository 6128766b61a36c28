// The practice drive's connector against the practice service itself, over real sockets.
#include <gtest/gtest.h>

#include "connectors/exercise_testing.h"
#include "connectors/practice_drive.h"
#include "crypto/hash.h"
#include "net/curl_transport.h"
#include "net/net_testing.h"
#include "net/url.h"
#include "sandbox/practice_service.h"

namespace latchkey::connectors {
namespace {

constexpr std::string_view kVerifier = "a-verifier-of-at-least-forty-three-characters-long";

class PracticeDestination final : public DestinationUnderTest {
 public:
  PracticeDestination() {
    EXPECT_TRUE(server_.start({{}}));
    url_ = "http://127.0.0.1:" + std::to_string(server_.ports().front());
    service_.emplace(sandbox::PracticeServiceSettings{url_, "http://localhost:8480"}, wall_, steady_, entropy_);
    front_.service = &*service_;
    transport_.emplace(
        loop_.loop.main(),
        net::CurlSettings{.policy = net::AddressPolicy::parse({"127.0.0.1"}).value(), .ca_file = {}, .proxy = {}});
    drive_.emplace(*transport_);
    token_ = consented();
  }
  ~PracticeDestination() override {
    loop_.run(server_.stop(std::chrono::steady_clock::now() + Seconds(5)));
    loop_.stop();
  }

  Connector& connector() override { return *drive_; }
  std::string base_url() override { return url_; }
  Secret token() override { return Secret(std::string_view(token_)); }
  std::map<std::string, std::string> hashes() override {
    std::map<std::string, std::string> found;
    const auto list =
        json_of(send({.method = "GET", .url = url_ + "/drive/files", .headers = {{"Authorization", "Bearer " + token_}}}));
    for (const auto& item : *base::find_array(list, "items")) {
      found[base::string_or(item.as_object(), "path")] = base::string_or(item.as_object(), "sha256");
    }
    return found;
  }
  // A call past the connector; the status.
  Task<int> call(std::string method, std::string path, std::string content = {}) {
    net::HttpCall call{.method = std::move(method), .url = url_ + path, .headers = {{"Authorization", "Bearer " + token_}}};
    if (!content.empty()) call.body = Secret(std::string_view(content));
    call.response_bytes_max = 1 << 20;
    const auto outcome = co_await transport_->send(std::move(call));
    const auto* reply = std::get_if<net::Reply>(&outcome);
    co_return reply == nullptr ? 0 : reply->status;
  }
  int run(Task<int> task) { return loop_.run(std::move(task)); }
  Result<Receipt> run(Task<Result<Receipt>> task) override { return loop_.run(std::move(task)); }
  Result<std::vector<ListItem>> run(Task<Result<std::vector<ListItem>>> task) override { return loop_.run(std::move(task)); }

 private:
  // The service needs to know its own address, which shows only once the server listens.
  struct Front final : net::HttpHandler {
    Task<net::HttpResponse> handle(net::HttpRequest request) override { return service->handle(std::move(request)); }
    std::size_t body_limit(std::string_view method, std::string_view path) const override {
      return service->body_limit(method, path);
    }
    sandbox::PracticeService* service = nullptr;
  };

  net::Reply send(net::HttpCall call) {
    call.response_bytes_max = 1 << 20;
    return std::get<net::Reply>(loop_.run(transport_->send(std::move(call))));
  }
  static JsonObject json_of(const net::Reply& reply) { return parse_json(base::as_text(reply.body))->as_object(); }
  net::Reply post(const std::string& path, const net::FormFields& fields) {
    return send({.method = "POST",
                 .url = url_ + path,
                 .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                 .body = Secret(std::string_view(net::encode_form(fields)))});
  }
  // The walk of a browser and a client, to a token.
  std::string consented() {
    const std::string redirect = "http://localhost:8480/oauth/callback/sandbox";
    const auto page =
        send({.method = "GET",
              .url = url_ + "/authorize?" +
                     net::encode_form({{"response_type", "code"},
                                       {"client_id", std::string(sandbox::kClientId)},
                                       {"redirect_uri", redirect},
                                       {"scope", "openid email drive mail offline_access"},
                                       {"state", "s"},
                                       {"code_challenge", base::to_base64url(crypto::sha256(base::as_bytes(kVerifier)))},
                                       {"code_challenge_method", "S256"}})});
    const std::string text(base::as_text(page.body));
    const std::string mark = "name=\"ticket\" value=\"";
    const auto begin = text.find(mark) + mark.size();
    const auto gone = post(
        "/consent",
        {{"ticket", text.substr(begin, text.find('"', begin) - begin)}, {"person", "anna-practice"}, {"decision", "allow"}});
    const std::string location(gone.headers.value_or("Location"));
    const auto parameters = net::decode_form(location.substr(location.find('?') + 1)).value();
    const auto reply = post("/token", {{"grant_type", "authorization_code"},
                                       {"code", *net::find_field(parameters, "code")},
                                       {"redirect_uri", redirect},
                                       {"code_verifier", std::string(kVerifier)},
                                       {"client_id", std::string(sandbox::kClientId)},
                                       {"client_secret", std::string(sandbox::kClientSecret)}});
    return base::string_or(json_of(reply), "access_token");
  }

  net::LoopThread loop_;
  base::SystemWallClock wall_;
  base::SystemSteadyClock steady_;
  base::SystemEntropy entropy_;
  base::MemoryLog log_;
  Front front_;
  std::optional<sandbox::PracticeService> service_;
  net::BodyBudget bodies_{{.bytes_max = 1 << 28, .source_bytes_max = 1 << 28}};
  net::HttpServer server_{loop_.loop, front_, wall_, log_, {}, &bodies_};
  std::string url_;
  std::optional<net::CurlTransport> transport_;
  std::optional<PracticeDrive> drive_;
  std::string token_;
};

// An upload all of whose octets have come, and whose end is refused, ends once what stood in its way is gone.
TEST(PracticeDriveEnds, AfterTheirRefusal) {
  PracticeDestination destination;
  MemoryDocument document(base::to_bytes(std::string(3'000'000, 'x')));
  CountedTokens tokens(destination);
  // The path is taken by somebody else while the last part is on its way.
  class Rival final : public Progress {
   public:
    explicit Rival(PracticeDestination& destination) : destination_(destination) {}
    Task<Result<void>> note(std::string point, std::uint64_t) override {
      resume_point = std::move(point);
      EXPECT_EQ(co_await destination_.call("PUT", "/drive/files/In/a.pdf", "another") / 100, 2);
      co_return Result<void>{};
    }
    std::string resume_point;

   private:
    PracticeDestination& destination_;
  };
  Rival rival(destination);
  StoreOrder order{
      .base_url = destination.base_url(), .path = "In/a.pdf", .content_type = "application/pdf", .key = "key-end"};
  order.on_conflict = OnConflict::refuse;
  order.document = &document;
  order.tokens = &tokens;
  order.progress = &rival;
  const auto refused = destination.run(destination.connector().store(order));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::conflict);
  const auto read = document.read_bytes;

  RememberedProgress progress;
  order.resume_point = rival.resume_point;
  order.progress = &progress;
  EXPECT_EQ(destination.run(destination.connector().store(order)).error().kind, ErrorKind::conflict) << "it is still taken";
  ASSERT_EQ(destination.run(destination.call("DELETE", "/drive/files/In/a.pdf")), 204);
  const auto receipt = destination.run(destination.connector().store(order));
  ASSERT_TRUE(receipt) << receipt.error().reason << ": " << receipt.error().text;
  EXPECT_EQ(receipt->proof, Proof::hash);
  EXPECT_EQ(destination.hashes()["In/a.pdf"], document.hash());
  EXPECT_EQ(document.read_bytes, read) << "nothing is sent twice";
}

INSTANTIATE_TEST_SUITE_P(PracticeDrive, ConnectorExercise,
                         ::testing::Values(DestinationFactory([] { return std::make_unique<PracticeDestination>(); })));

}  // namespace
}  // namespace latchkey::connectors
