#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "base/broadcast.h"
#include "base/bytes.h"
#include "base/entropy.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/run_on.h"
#include "base/secret.h"
#include "base/task_group.h"

namespace latchkey::base {
namespace {

TEST(Bytes, Rfc4648Vectors) {
  EXPECT_EQ(to_base64(as_bytes("")), "");
  EXPECT_EQ(to_base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(to_base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(to_base64(as_bytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(from_base64("Zm9vYmE="), to_bytes("fooba"));
  EXPECT_EQ(from_base64("Zm9vYmE"), std::nullopt);
  EXPECT_EQ(from_base64("Zm9v Yg="), std::nullopt);
  EXPECT_EQ(from_base64("===="), std::nullopt);
  EXPECT_EQ(from_base64("Zh=="), std::nullopt) << "non-zero trailing bits";
  EXPECT_EQ(to_base64url(*from_hex("fbff")), "-_8");
  EXPECT_EQ(from_base64url("-_8"), from_hex("FBff"));
  EXPECT_EQ(from_hex("0g"), std::nullopt);
}

TEST(Secret, WipesOnMoveAndComparesByContent) {
  Secret first("hunter22");
  EXPECT_TRUE(first.equals(Secret("hunter22")));
  EXPECT_FALSE(first.equals(Secret("hunter23")));
  const Secret second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): the promise under test
  EXPECT_EQ(second.reveal_text(), "hunter22");
}

TEST(Id, TextRoundTripAndOrder) {
  SeededEntropy entropy(1);
  const auto early = UserId::make(from_unix_ms(1000), entropy);
  const auto late = UserId::make(from_unix_ms(2000), entropy);
  EXPECT_LT(early, late);
  EXPECT_EQ(UserId::parse(early.text()), early);
  EXPECT_EQ(early.text()[14], '7');
  EXPECT_FALSE(UserId::parse("not-an-id"));
  EXPECT_FALSE(UserId::parse(early.text() + "0"));
}

TEST(Clock, Rfc3339RoundTrip) {
  const auto time = from_rfc3339("2026-12-31T23:59:58.125Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(to_rfc3339(*time), "2026-12-31T23:59:58.125Z");
  EXPECT_EQ(to_rfc3339(from_unix_ms(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_FALSE(from_rfc3339("2026-02-30T00:00:00Z"));
  EXPECT_FALSE(from_rfc3339("2026-02-03 00:00:00Z"));
}

TEST(Json, NamesAMemberThatIsGivenTwiceWhereTheCallerMinds) {
  const auto strictly = [](std::string_view text) { return parse_json(text, {.doubles = Doubles::refused}); };
  EXPECT_EQ(strictly(R"({"type":"box","type":"xero"})").error().field, "type");
  EXPECT_EQ(strictly(R"({"a":1,"\u0061":2})").error().field, "a") << "however it is spelt";
  EXPECT_EQ(strictly(R"({"x":[{"in":1,"in":1}]})").error().reason, "given_twice");
  EXPECT_EQ(strictly("{\"" + std::string(3000, 'k') + "\":1,\"" + std::string(3000, 'k') + "\":1}").error().field, std::string(64, 'k'));
  EXPECT_TRUE(strictly(R"({"a":{"a":1},"b":[{"a":1},{"a":2}],"c":-1.5e3,"d":[true,null,18446744073709551615]})")) << "the same name in other objects";
  EXPECT_EQ(strictly(R"({"a":1,"a":)").error().reason, "malformed_json");
  EXPECT_EQ(parse_json(R"({"a":1,"a":2})")->at("a"), 2) << "replies are taken as they come";
}

TEST(Json, RefusesDeepLongAndBrokenText) {
  EXPECT_TRUE(parse_json(R"({"a":[1,2]})"));
  EXPECT_EQ(parse_json("{").error().reason, "malformed_json");
  EXPECT_FALSE(parse_json(std::string(40, '[') + std::string(40, ']')));
  EXPECT_FALSE(parse_json("\"" + std::string(100, 'x') + "\"", {.size_bytes_max = 50}));
}

TEST(Log, EscapesControlCharactersSoThatNobodyForgesALine) {
  MemoryLog log;
  log.info("login", {{"user", "a\nb \"c\""}, {"count", 3}});
  EXPECT_EQ(log.text(), "info login user=\"a\\x0ab \\\"c\\\"\" count=3\n");
}

TEST(Entropy, BelowStaysBelow) {
  SeededEntropy entropy(7);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(entropy.below(10), 10u);
}

Task<void> add_on_pool(Pool& pool, int& sum) {
  sum += co_await pool.run([] { return 40; });
  sum += co_await pool.run([] { return 2; });
}

TEST(Pool, RunsWorkElsewhereAndResumesHere) {
  boost::asio::io_context loop;
  Pool pool("test", 2);
  int sum = 0;
  boost::asio::co_spawn(loop, add_on_pool(pool, sum), boost::asio::detached);
  loop.run();
  EXPECT_EQ(sum, 42);
}

Task<void> wait_for_ever(Broadcast& never) { co_await never.wait(); }
Task<void> count_on_notice(Broadcast& notice, int& count) {
  co_await notice.wait();
  ++count;
}
Task<void> drive_group(TaskGroup& group, Broadcast& notice, int& count) {
  Broadcast never(co_await boost::asio::this_coro::executor);
  for (int i = 0; i < 3; ++i) group.spawn("count", count_on_notice(notice, count));
  group.spawn("stuck", wait_for_ever(never));
  co_await SystemSteadyClock().sleep_for(std::chrono::milliseconds(1));
  notice.notify_all();
  while (count < 3) co_await SystemSteadyClock().sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(group.running(), 1u);
  co_await group.cancel_and_wait();
  EXPECT_FALSE(group.spawn("late", wait_for_ever(never)));
}

TEST(TaskGroup, NotifiesAllCancelsTheRestAndStartsNothingAfter) {
  boost::asio::io_context loop;
  MemoryLog log;
  TaskGroup group(loop.get_executor(), log);
  Broadcast notice(loop.get_executor());
  int count = 0;
  boost::asio::co_spawn(loop, drive_group(group, notice, count), boost::asio::detached);
  loop.run();
  EXPECT_EQ(count, 3);
  EXPECT_EQ(group.running(), 0u);
  EXPECT_EQ(log.text(), "");
}

Task<void> fail_loudly() {
  co_await SystemSteadyClock().sleep_for(std::chrono::milliseconds(0));
  throw std::runtime_error("boom");
}

TEST(TaskGroup, HearsErrors) {
  boost::asio::io_context loop;
  MemoryLog log;
  TaskGroup group(loop.get_executor(), log);
  group.spawn("loud", fail_loudly());
  loop.run();
  EXPECT_NE(log.text().find("task=loud error=boom"), std::string::npos) << log.text();
}

}  // namespace
}  // namespace latchkey::base
