#include "people/user_cards.h"

#include "people/people_testing.h"

namespace latchkey::people {
namespace {

class UserCardsTest : public Office {};

TEST_F(UserCardsTest, ReadOnceThenFromMemoryUntilForgotten) {
  const auto user = add("scan");
  EXPECT_FALSE(cards->peek("scan"));
  const auto card = run(cards->get("scan"));
  ASSERT_TRUE(card && *card);
  EXPECT_EQ((*card)->id, user.id);
  EXPECT_EQ(cards->peek("scan"), *card);
  EXPECT_EQ(*run(cards->get("scan")), *card);
  cards->forget("scan");
  EXPECT_FALSE(cards->peek("scan"));
  EXPECT_EQ(*run(cards->get("nobody")), nullptr);
  EXPECT_EQ(cards->size(), 0u);
}

TEST_F(UserCardsTest, ALoadThatBeganBeforeAForgetDoesNotComeBack) {
  add("scan");
  cards->forget("scan");
  auto early = base::start_on(loop, cards->get("scan"));
  loop.restart();
  loop.poll();  // the load has begun
  cards->forget("scan");
  base::drive_until(loop, [&] { return early->has_value(); });
  EXPECT_TRUE((**early)->get()) << "the caller gets what was true when it asked";
  EXPECT_FALSE(cards->peek("scan")) << "but it is not kept";
}

TEST_F(UserCardsTest, K8_SeveralNodesSeeAChangeWithinTheLifetime) {
  const auto user = add("scan");
  UserCards of_another_node(*store, seal, steady, log, {.entries_max = 100, .lifetime = 1s});
  ASSERT_TRUE((*run(of_another_node.get("scan")))->enabled);
  ASSERT_TRUE(run(directory->change_user(user.id, {.enabled = false}, admin)));
  steady.advance(1s);
  EXPECT_FALSE((*run(of_another_node.get("scan")))->enabled);
}

TEST_F(UserCardsTest, BoundedInCount) {
  UserCards few(*store, seal, steady, log, {.entries_max = 16});
  for (int i = 0; i < 40; ++i) {
    add("user" + std::to_string(i), "");
    ASSERT_TRUE(run(few.get("user" + std::to_string(i))));
  }
  EXPECT_LE(few.size(), 16u);
}

}  // namespace
}  // namespace latchkey::people
