#include "cloud/shown_name.h"

#include <gtest/gtest.h>

#include <string>

namespace latchkey::cloud {
namespace {

TEST(ShownName, NamesAsPeopleHaveThem) {
  for (const char* name : {"printer-1", "Grüße an alle", "anna@office.example", "山田太郎", "مكتب", "משרד", "😀"}) EXPECT_TRUE(may_be_shown(name)) << name;
}

TEST(ShownName, S2_IsShort) {
  std::string name;
  for (std::size_t i = 0; i < kShownNameCharactersMax; ++i) name += "ü";
  EXPECT_TRUE(may_be_shown(name));
  EXPECT_FALSE(may_be_shown(name + "x"));
  EXPECT_FALSE(may_be_shown(""));
}

TEST(ShownName, S2_NothingTurnsRoundHidesOrControls) {
  for (const char* part : {"\n", "\t", "\x7f", "\u0085", "\u00ad", "\u061c", "\u200b", "\u200e", "\u200f", "\u2028", "\u202a", "\u202e", "\u2066",
                           "\u2067", "\u2069", "\ufeff", "\U000e0041"}) {
    EXPECT_FALSE(may_be_shown("anna" + std::string(part) + "x")) << static_cast<int>(part[0]);
  }
  EXPECT_FALSE(may_be_shown("anna\xc0\xaf"));
  EXPECT_FALSE(may_be_shown("anna\xe2\x80")) << "broken off";
}

}  // namespace
}  // namespace latchkey::cloud
