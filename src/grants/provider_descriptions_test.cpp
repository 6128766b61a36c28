#include "grants/provider_descriptions.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <optional>
#include <vector>

#include "base/fakes_testing.h"
#include "grants/keeper_testing.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr const char* kAddress = "https://selfmade.example/.well-known/openid-configuration";
constexpr const char* kIssuer = "https://selfmade.example";

// The host of a description; while `hangs`, a look takes until it is released.
class DescribingHost final : public net::HttpTransport {
 public:
  explicit DescribingHost(Executor executor) : released(std::move(executor)) {}
  Task<net::HttpOutcome> send(net::HttpCall call) override {
    ++asked;
    while (hangs) co_await released.wait();
    if (!answers || (!down.empty() && call.url.starts_with(down))) co_return net::NothingSent{{.kind = ErrorKind::unavailable, .reason = "connect_failed", .text = "Nobody there."}};
    net::Reply reply{.status = 200};
    const auto issuer = call.url.substr(0, call.url.find("/.well-known"));
    reply.body = base::to_bytes(R"({"issuer":")" + issuer + R"(","authorization_endpoint":")" + issuer + R"(/authorize","token_endpoint":")" + issuer + token +
                                R"("})");
    co_return reply;
  }
  void release() {
    hangs = false;
    released.notify_all();
  }

  base::Broadcast released;
  int asked = 0;
  bool hangs = false;
  bool answers = true;
  std::string down;  // the issuer whose host alone is
  std::string token = "/token";
};

class Described : public testing::Test {
 protected:
  ~Described() override {
    host.release();
    base::run_on_loop(loop, steady, stop(descriptions));
  }
  static Task<bool> stop(ProviderDescriptions& descriptions) {
    co_await descriptions.stop();
    co_return true;
  }
  Result<oauth::Metadata> read(const std::string& issuer = kIssuer) {
    return base::run_on_loop(loop, steady, descriptions.read(issuer + "/.well-known/openid-configuration", issuer));
  }
  // What is looked at beside has been, as far as it answers.
  void settle() {
    loop.restart();
    loop.run_for(2ms);
  }
  static Task<void> put(Task<Result<oauth::Metadata>> task, std::optional<Result<oauth::Metadata>>& into) { into = co_await std::move(task); }

  boost::asio::io_context loop;
  base::SimulatedSteadyClock steady;
  base::MemoryLog log;
  DescribingHost host{loop.get_executor()};
  ProviderDescriptions descriptions{host, steady, loop.get_executor(), log, oauth::PlainHttp::refused};
};

TEST_F(Described, R21_OneThatCannotBeReadAnyMoreIsAskedForSeldomAndItsCopyServes) {
  ASSERT_TRUE(read());
  ASSERT_EQ(host.asked, 1);
  host.answers = false;
  for (int minute = 0; minute < 5 * 60; ++minute) {
    steady.advance(60s);
    for (int grant = 0; grant < 5; ++grant) ASSERT_TRUE(read()) << minute;
    settle();
  }
  EXPECT_GE(host.asked, 1 + 6) << "at rests of 1, 2, 4, 8, 16, 32 minutes";
  EXPECT_LE(host.asked, 1 + 10) << "of 1500 refreshes";
  host.answers = true;
  host.token = "/moved";
  steady.advance(1h);
  ASSERT_TRUE(read());
  settle();
  EXPECT_EQ(read()->endpoints.token, "https://selfmade.example/moved") << "it has been looked at beside";
  const auto asked = host.asked;
  steady.advance(59min);
  ASSERT_TRUE(read());
  settle();
  EXPECT_EQ(host.asked, asked);
}

TEST_F(Described, R21_NobodyWaitsForAHostThatHangsWhileThereIsACopy) {
  ASSERT_TRUE(read());
  steady.advance(61min);
  host.hangs = true;
  for (int grant = 0; grant < 100; ++grant) ASSERT_TRUE(read());
  settle();
  EXPECT_EQ(host.asked, 2) << "one look for all";
  host.token = "/moved";
  host.release();
  settle();
  EXPECT_EQ(read()->endpoints.token, "https://selfmade.example/moved");
}

TEST_F(Described, R21_WhoeverWantsTheFirstCopySharesOneLook) {
  host.hangs = true;
  std::optional<Result<oauth::Metadata>> answers[10];
  for (auto& answer : answers) boost::asio::co_spawn(loop, put(descriptions.read(kAddress, kIssuer), answer), boost::asio::detached);
  settle();
  EXPECT_EQ(host.asked, 1);
  EXPECT_FALSE(answers[0]);
  host.release();
  settle();
  for (const auto& answer : answers) EXPECT_TRUE(answer && *answer);
  EXPECT_EQ(host.asked, 1);
}

TEST_F(Described, R21_WithoutACopyAFailedLookIsRememberedForSeconds) {
  host.answers = false;
  for (int hurry = 0; hurry < 20; ++hurry) {
    const auto refused = read();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "provider_unreachable");
    EXPECT_TRUE(refused.error().retry_after);
  }
  EXPECT_EQ(host.asked, 1);
  for (int second = 0; second < 300; ++second) {
    steady.advance(1s);
    ASSERT_FALSE(read());
  }
  EXPECT_LE(host.asked, 14);
  host.answers = true;
  steady.advance(ProviderDescriptions::kRestWithoutMax);
  EXPECT_TRUE(read()) << "whoever has mended it waits for half a minute at most";
}

TEST_F(Described, WhatOneIssuerIsToldSaysNothingOfAnother) {
  ASSERT_TRUE(read());
  const auto other = base::run_on_loop(loop, steady, descriptions.read(kAddress, "https://other.example"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, "issuer_mismatch");
  EXPECT_TRUE(read());
}

TEST_F(Described, F3_WhoeverWaitsWhenTheServerStopsIsTold) {
  host.hangs = true;
  std::optional<Result<oauth::Metadata>> answer;
  boost::asio::co_spawn(loop, put(descriptions.read(kAddress, kIssuer), answer), boost::asio::detached);
  settle();
  ASSERT_FALSE(answer);
  loop.restart();
  base::run_on_loop(loop, steady, stop(descriptions));
  settle();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error().reason, "provider_unreachable");
}

TEST_F(Described, Attack_AddressesOfAnybodysChoosingDoNotPushOutWhatIsUsed) {
  ASSERT_TRUE(read());
  host.answers = false;
  for (std::size_t i = 0; i < 2 * ProviderDescriptions::kKnownMax; ++i) ASSERT_FALSE(read("https://h" + std::to_string(i) + ".example"));
  const auto asked = host.asked;
  EXPECT_TRUE(read());
  EXPECT_EQ(host.asked, asked);
}

TEST_F(Described, R21_TheCopyOfAHostThatIsDownStaysWhileItIsUsed) {
  ASSERT_TRUE(read());
  host.down = kIssuer;
  steady.advance(2h);
  for (std::size_t i = 0; i < 2 * ProviderDescriptions::kKnownMax; ++i) {
    ASSERT_TRUE(read("https://h" + std::to_string(i) + ".example"));
    steady.advance(1ms);
    if (i % 100 == 0) ASSERT_TRUE(read());
  }
  EXPECT_TRUE(read()) << "others that are nobody's any more went before it";
}

// ---- what is made of it --------------------------------------------------------------------------------------------

using ClientOfADescription = KeeperHouse;

TEST_F(ClientOfADescription, R21_WhatWasMadeAfterASlowLookServesTheOthersForItsSecond) {
  transport.before_description = [this] { steady.advance(19s); };
  const auto ask = [this] { return *run(clients->shared_client_for("selfmade", "selfmade", "{}", "{}")); };
  const auto first = ask();
  EXPECT_EQ(ask(), first);
  EXPECT_EQ(transport.descriptions_asked, 1);
  steady.advance(1s);
  EXPECT_NE(ask(), first);
}

TEST_F(ClientOfADescription, R21_WhatWasMadeOfAnAppThatChangedDuringTheLookServesNobodyElse) {
  transport.before_description = [this] { clients->forget("selfmade"); };
  const auto ask = [this] { return *run(clients->shared_client_for("selfmade", "selfmade", "{}", "{}")); };
  const auto first = ask();
  EXPECT_NE(ask(), first);
}

}  // namespace
}  // namespace latchkey::grants
