// The practice mailbox and its connector, each with the other.
#include "sandbox/practice_mailbox.h"

#include <gtest/gtest.h>

#include <utility>

#include "connectors/exercise_mail_testing.h"
#include "connectors/practice_mailbox.h"
#include "net/net_testing.h"
#include "net/url.h"

namespace latchkey::connectors {
namespace {

constexpr std::string_view kToken = "a-good-token";

// The mailbox behind a transport without sockets: who shows the good token is Anna.
class PracticeMailboxAtHand final : public MailboxUnderTest, public net::HttpTransport {
 public:
  ~PracticeMailboxAtHand() override { loop_.stop(); }

  Connector& connector() override { return connector_; }
  std::string base_url() override { return "http://localhost:8481"; }
  Secret token() override { return Secret(kToken); }
  std::vector<ArrivedMail> mails() override {
    std::vector<ArrivedMail> found;
    for (const auto* message : storage_.messages("anna")) {
      found.push_back({.octets = message->content,
                       .envelope = {.mail_from = message->envelope.mail_from, .recipients = message->envelope.recipients}});
    }
    return found;
  }
  void lose_next_answer() override { loses_next_ = true; }
  Result<Receipt> run(Task<Result<Receipt>> task) override { return loop_.run(std::move(task)); }
  Result<std::vector<ListItem>> run(Task<Result<std::vector<ListItem>>> task) override { return loop_.run(std::move(task)); }

  Task<net::HttpOutcome> send(net::HttpCall call) override {
    if (call.headers.value_or("Authorization") != "Bearer " + std::string(kToken)) co_return net::Reply{.status = 401};
    net::HttpRequest request;
    request.method = call.method;
    request.path = net::Url::parse(call.url)->path();
    request.headers = call.headers;
    if (call.body) request.body = call.body->reveal_text();
    auto response = mailbox_.answer(request, "anna", base_url(), WallTime{});
    if (request.method == "POST" && std::exchange(loses_next_, false))
      co_return net::Ambiguous{.error = {.kind = ErrorKind::ambiguous, .reason = "reply_lost"}};
    co_return net::Reply{.status = response.status, .headers = response.headers, .body = base::to_bytes(response.body)};
  }

 private:
  net::LoopThread loop_;
  sandbox::PracticeStorage storage_;
  sandbox::PracticeMailbox mailbox_{storage_};
  PracticeMailbox connector_{*this};
  bool loses_next_ = false;
};

INSTANTIATE_TEST_SUITE_P(PracticeMailbox, MailExercise,
                         ::testing::Values(MailboxFactory([] { return std::make_unique<PracticeMailboxAtHand>(); })));

TEST(PracticeMailbox, AKeyIsOneMessage) {
  sandbox::PracticeStorage storage;
  sandbox::PracticeMailbox mailbox(storage);
  const auto post = [&](std::string body, std::string key) {
    net::HttpRequest request;
    request.method = "POST";
    request.path = "/mail/messages";
    request.body = std::move(body);
    if (!key.empty()) request.headers.set("Idempotency-Key", key);
    return mailbox.answer(request, "anna", "http://localhost:8481", WallTime{}).status;
  };
  EXPECT_EQ(post("Subject: a\r\n\r\n", "k1"), 202);
  EXPECT_EQ(post("Subject: a\r\n\r\n", "k1"), 200);
  EXPECT_EQ(post("Subject: b\r\n\r\n", "k1"), 409) << "another message under a key that is taken";
  EXPECT_EQ(post("Subject: a\r\n\r\n", ""), 202);
  EXPECT_EQ(post("Subject: a\r\n\r\n", ""), 202) << "without a key two are two";
  EXPECT_EQ(post("Subject: a\r\n\r\n", std::string(101, 'k')), 400);
  EXPECT_EQ(post("", "k2"), 400);
  EXPECT_EQ(storage.messages("anna").size(), 3U);
}

}  // namespace
}  // namespace latchkey::connectors
