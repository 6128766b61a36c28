#include "app/delivery_words.h"

#include <gmock/gmock.h>

namespace latchkey::app {
namespace {

using testing::HasSubstr;
using testing::Not;

JsonObject delivery(std::string_view text) {
  return {{"id", "1"},
          {"state", "failed"},
          {"connector", "scans"},
          {"name", text},
          {"size", 7},
          {"why", text},
          {"receipt", nullptr},
          {"timeline", JsonArray{JsonObject{{"at", "2026-11-28T10:00:00Z"}, {"what", "renamed"}, {"words", text}}}}};
}

TEST(DeliveryWords, SayWhatBecameOfADocument) {
  auto one = delivery("März.pdf");
  EXPECT_EQ(line_of(one), "1  failed  März.pdf  März.pdf\n");
  EXPECT_EQ(road_of(one), "März.pdf (7 bytes) to scans: failed\nMärz.pdf\n  2026-11-28T10:00:00Z  renamed: März.pdf\n");
  one["receipt"] = JsonObject{{"link", "https://drive.example/1"}, {"proof", "hash"}};
  EXPECT_EQ(line_of(one), "1  failed  März.pdf  https://drive.example/1  (hash agrees)\n");
}

TEST(DeliveryWords, Attack_NoNameMovesTheCursorTurnsRoundOrStartsALine) {
  for (const char* name : {"a\x1b[2J.pdf", "a\u009b2J.pdf", "\u202efdp.a", "a\u2028b.pdf", "a\n1  delivered  b.pdf"}) {
    auto one = delivery(name);
    auto arrived = one;
    arrived["receipt"] = JsonObject{{"link", name}, {"proof", "size"}};
    for (const auto& words : {line_of(one), line_of(arrived), road_of(one)}) {
      for (const char* bad : {"\x1b", "\u009b", "\u202e", "\u2028", "\n1  delivered"})
        EXPECT_THAT(words, Not(HasSubstr(bad)));
      EXPECT_THAT(words, HasSubstr("?"));
    }
  }
}

}  // namespace
}  // namespace latchkey::app
