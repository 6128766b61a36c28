#include "app/consent_words.h"

#include <gmock/gmock.h>

namespace latchkey::app {
namespace {

using testing::HasSubstr;
using testing::Not;

JsonObject waiting(std::string_view name, std::string_view id, std::string_view holder = "") {
  return {{"username", "scan"},
          {"type", "box"},
          {"confirmation", JsonObject{{"detail", std::string(name) + " has consented. Approve this account?"}, {"now", JsonObject{{"id", id}, {"name", name}}}, {"holder", holder}}}};
}

JsonObject replacing(JsonObject authorization, std::string_view name, std::string_view id) {
  authorization["confirmation"].as_object()["before"] = JsonObject{{"id", id}, {"name", name}};
  return authorization;
}

TEST(ConsentWords, A4_TheAccountsIdStandsOnALineOfItsOwn) {
  EXPECT_EQ(question_at_length(waiting("bob@example.com", "sub-1", "print")),
            "bob@example.com has consented. Approve this account?\n  for        scan, box\n  account    bob@example.com\n  its id     sub-1\n  in use by  print\n");
  EXPECT_THAT(question_at_length(waiting("", "")), testing::AllOf(HasSubstr("account    not told"), HasSubstr("its id     not told"), Not(HasSubstr("in use"))));
}

TEST(ConsentWords, Attack_NoNameMovesTheCursorTurnsRoundOrStartsALine) {
  for (const char* name : {"bob\x1b[2J", "bob\u009b2J", "\u202eelpmaxe", "bob\u200b", "bob\n  its id     sub-1"}) {
    const auto authorization = waiting(name, "sub-9");
    for (const auto& words : {question_of(authorization), question_at_length(authorization)}) {
      for (const char* bad : {"\x1b", "\u009b", "\u202e", "\u200b", "\n  its id     sub-1"}) EXPECT_THAT(words, Not(HasSubstr(bad)));
      EXPECT_THAT(words, HasSubstr("?"));
    }
  }
}

TEST(ConsentWords, Attack_NoNameIsWrappedIntoALineThatReadsLikeAnother) {
  const auto authorization = waiting("anna" + std::string(70, ' ') + "  its id     acc-1" + std::string(70, ' '), "sub-9");
  EXPECT_EQ(question_at_length(authorization),
            "anna its id acc-1 has consented. Approve this account?\n  for        scan, box\n  account    anna its id acc-1\n  its id     sub-9\n");
  EXPECT_EQ(account_cells(authorization).name, "anna its id acc-1");
  EXPECT_EQ(account_cells(authorization).id, "sub-9");
  EXPECT_EQ(account_cells(waiting(std::string(200, 'x'), "")).name, std::string(59, 'x') + "…");
  EXPECT_EQ(account_cells(waiting("", "")).id, "-");
}

TEST(ConsentWords, F8_TheAccountAndWhomItEndangersAreBothNamed) {
  const auto alone = waiting("bob@example.com", "sub-1");
  EXPECT_FALSE(*is_named(alone, {}));
  EXPECT_TRUE(*is_named(alone, {.account = "sub-1"}));
  EXPECT_EQ(is_named(alone, {.account = "bob@example.com"}).error().reason, "another_account") << "a name is no id";
  EXPECT_EQ(is_named(alone, {.account = "sub-1", .holder = "print"}).error().reason, "another_holder");
  const auto shared = waiting("bob@example.com", "sub-1", "print");
  EXPECT_FALSE(*is_named(shared, {.account = "sub-1"}));
  EXPECT_FALSE(*is_named(shared, {.account = "", .holder = "print"}));
  EXPECT_TRUE(*is_named(shared, {.account = "sub-1", .holder = "PRINT"}));
  EXPECT_EQ(is_named(shared, {.account = "sub-1", .holder = "hall"}).error().reason, "another_holder");
  EXPECT_EQ(is_named(waiting("", ""), {.account = "x"}).error().reason, "another_account");
}

// Both may be called the same.
TEST(ConsentWords, C5_TheAccountUntilNowIsShownByItsIdAndNamed) {
  const auto other = replacing(waiting("anna@example.com", "acc-666"), "anna@example.com", "acc-1");
  EXPECT_EQ(question_at_length(other),
            "anna@example.com has consented. Approve this account?\n  for        scan, box\n  account    anna@example.com\n  its id     acc-666\n"
            "  until now  anna@example.com\n  its id     acc-1\n");
  EXPECT_FALSE(*is_named(other, {.account = "acc-666"})) << "what it takes the place of is asked about, too";
  EXPECT_TRUE(*is_named(other, {.account = "acc-666", .replaces = "acc-1"}));
  EXPECT_EQ(is_named(other, {.account = "acc-666", .replaces = "acc-2"}).error().reason, "another_replaced");
  EXPECT_EQ(is_named(waiting("anna@example.com", "acc-666"), {.account = "acc-666", .replaces = "acc-1"}).error().reason, "another_replaced");
  const auto expected = replacing(waiting("anna@example.com", "acc-666"), "anna@example.com", "");
  EXPECT_TRUE(*is_named(expected, {.account = "acc-666"})) << "expected by a name: there is no account that it takes the place of";
}

TEST(ConsentWords, A4_AnIdIsNamedAsItIsShown) {
  const auto hidden = waiting("Anna", "ann\u200ca");
  EXPECT_THAT(question_at_length(hidden), HasSubstr("its id     ann\\u{200c}a\n"));
  EXPECT_EQ(account_cells(hidden).id, "ann\\u{200c}a");
  for (const char* named : {"ann\u200ca", "ann\\u{200c}a"}) EXPECT_TRUE(*is_named(hidden, {.account = named})) << named;
  EXPECT_EQ(is_named(hidden, {.account = "anna"}).error().reason, "another_account");
}

// Also where the provider tells no account, and nothing else could be named.
TEST(ConsentWords, F8_TheQuestionsTokenNamesAllThatIsAsked) {
  auto nobody = replacing(waiting("", "", "print"), "bob@example.com", "sub-1");
  nobody["confirmation"].as_object()["question"] = "q-7";
  EXPECT_FALSE(*is_named(nobody, {}));
  EXPECT_TRUE(*is_named(nobody, {.question = "q-7"}));
  EXPECT_EQ(is_named(nobody, {.question = "q-6"}).error().reason, "another_question");
  EXPECT_EQ(is_named(nobody, {.account = "sub-2", .question = "q-7"}).error().reason, "another_account") << "what is named besides must be so";
  EXPECT_EQ(is_named(waiting("", ""), {.question = "q-7"}).error().reason, "another_question");
}

}  // namespace
}  // namespace latchkey::app
