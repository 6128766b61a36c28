#include "people/setup.h"

#include "people/people_testing.h"

namespace latchkey::people {
namespace {

using FirstRun = Setup;  // testing::Test hides the name

class SetupTest : public Office {
 protected:
  std::unique_ptr<FirstRun> make() {
    return std::make_unique<FirstRun>(FirstRun::Parts{.store = *store, .directory = *directory, .vault = vault, .wall = wall,
                                                .steady = steady, .entropy = entropy});
  }
  std::string finish(FirstRun& one, std::string code, std::string_view password = "correct horse", std::string username = "anna") {
    const auto done = run(one.finish({.code = std::move(code), .username = std::move(username), .password = Secret(password),
                                      .source = "127.0.0.1"}));
    return done ? "made" : done.error().reason;
  }
};

TEST_F(SetupTest, G7_OneCodeMakesTheFirstAdministratorOnce) {
  const auto one = make();
  EXPECT_TRUE(*run(one->needed()));
  EXPECT_EQ(finish(*one, ""), "setup_code_invalid") << "no code has been issued";
  const auto code = **run(one->issue_code());
  EXPECT_GE(code.size(), 32u);
  EXPECT_EQ(one->code_expires_at(), wall.now() + 15min);
  EXPECT_EQ(finish(*one, "wrong"), "setup_code_invalid");
  EXPECT_EQ(finish(*one, code, "short"), "password_too_weak");
  EXPECT_EQ(finish(*one, code, "correct horse", "a:b"), "username_malformed");
  EXPECT_EQ(finish(*one, code), "made") << "a mistake in the form does not spend the code";
  EXPECT_FALSE(*run(one->needed()));
  EXPECT_EQ(finish(*one, code, "correct horse", "berta"), "setup_done");
  EXPECT_FALSE(*run(one->issue_code()));
  const auto user = *run(store->user_by_key("anna"));
  ASSERT_TRUE(user);
  EXPECT_EQ(user->role, store::Role::administrator);
  EXPECT_EQ((*run(store->group(user->group)))->name, "Administrators");
  EXPECT_TRUE(run(sessions->sign_in({.username = "anna", .password = Secret("correct horse"), .source = "127.0.0.1",
                                     .transport = Transport::loopback, .arrived = steady.now()})));
}

TEST_F(SetupTest, G7_TheCodeLives15Minutes) {
  const auto one = make();
  const auto code = **run(one->issue_code());
  pass(15min);
  EXPECT_EQ(one->code_expires_at(), std::nullopt);
  EXPECT_EQ(finish(*one, code), "setup_code_invalid");
  const auto fresh = **run(one->issue_code());
  pass(14min);
  EXPECT_EQ(finish(*one, code), "setup_code_invalid") << "the older one has ended";
  EXPECT_EQ(finish(*one, fresh), "made");
}

TEST_F(SetupTest, OfTwoBrowsersOneWins) {
  const auto one = make();
  const auto code = **run(one->issue_code());
  const auto start = [&](std::string name) {
    return base::start_on(loop, one->finish({.code = code, .username = std::move(name), .password = Secret("correct horse")}));
  };
  auto anna = start("anna"), berta = start("berta");
  base::drive_until(loop, [&] { return anna->has_value() && berta->has_value(); });
  EXPECT_NE((*anna)->has_value(), (*berta)->has_value());
  EXPECT_EQ(*run(store->count_administrators()), 1);
}

}  // namespace
}  // namespace latchkey::people
