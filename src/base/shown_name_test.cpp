#include "base/shown_name.h"

#include <gtest/gtest.h>

#include <string>

namespace latchkey::base {
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
  for (const char* part : {"\u034f", "\u115f", "\u17b4", "\u180b", "\u2800", "\u3164", "\ufe0f", "\uffa0", "\U000e0101"}) EXPECT_FALSE(may_be_shown("anna" + std::string(part))) << part;
  EXPECT_FALSE(may_be_shown("anna\xc0\xaf"));
  EXPECT_FALSE(may_be_shown("anna\xe2\x80")) << "broken off";
}

TEST(ShownName, Attack_NoBlankMakesASecondNameThatLooksTheSame) {
  EXPECT_TRUE(may_be_shown("Anna Maria Bau"));
  for (const char* name : {"\u3000", "\u00a0", " ", "anna ", " anna", "anna\u00a0", "anna\u00a0bau", "anna\u2003bau", "anna  bau", "anna\u3000bau"}) {
    EXPECT_FALSE(may_be_shown(name)) << '"' << name << '"';
  }
  EXPECT_EQ(as_shown(" 10\u00a0\u20ac  \u3000x "), " 10 \u20ac   x ");
}

TEST(ShownName, Attack_WhatLooksLikeAnythingOrNothingIsNotShown) {
  for (const char* part : {"\U00016fe4", "\U0001d159", "\ue000", "\uf8ff", "\U00100000", "\u0378", "\ufdd0", "\U0001ffff"}) {
    EXPECT_FALSE(may_be_shown("anna" + std::string(part))) << part;
    EXPECT_EQ(as_shown("anna" + std::string(part)), "anna?");
  }
}

TEST(ShownName, S2_ASelectorStandsBehindWhatItChanges) {
  for (const char* name : {"Büro \u2764\ufe0f", "\u263a\ufe0e", "1\ufe0f\u20e3", "\u845b\U000e0100", "\u1820\u180b"}) {
    EXPECT_TRUE(may_be_shown(name)) << name;
    EXPECT_EQ(as_shown(name), name);
  }
  for (const char* name : {"anna\ufe0f", "\ufe0f", "\u2764\ufe0f\ufe0f", "1\ufe0f", "anna\U000e0100", "\u2764\u180b", "\u845b\ufe0f"}) {
    EXPECT_FALSE(may_be_shown(name)) << name << ": a second name that looks like one without it";
  }
  EXPECT_EQ(as_shown("\u2764\ufe0f\ufe0f"), "\u2764\ufe0f?");
}

TEST(ShownName, A4_WhatMayNotBeShownIsAQuestionMark) {
  EXPECT_EQ(as_shown("Grüße an 山田 😀"), "Grüße an 山田 😀");
  EXPECT_EQ(as_shown("a\u202eb\u200bc\u009b31m\x1b[0m\n"), "a?b?c?31m?[0m?");
  EXPECT_EQ(as_shown("a\xc0\xaf" "b\xe2\x80"), "a??b??");
  EXPECT_EQ(as_shown(""), "");
}

TEST(ShownName, BadInput_NothingButUtf8IsShown) {
  for (const char* octets : {"\xc1\xa1", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff",
                             "\x80", "\xf0\x9f\x98"}) {
    EXPECT_FALSE(may_be_shown("anna" + std::string(octets)));
    EXPECT_EQ(as_shown("anna" + std::string(octets)), "anna" + std::string(std::string_view(octets).size(), '?')) << "each octet by itself";
  }
  EXPECT_TRUE(may_be_shown("\U0001f600"));
}

TEST(ShownName, S2_AJoinerStandsBetweenLettersThatItShapes) {
  for (const char* name : {"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0dc1\u0dca\u200d\u0dbb\u0dd3", "\U0001f468\u200d\U0001f469", "\u2764\ufe0f\u200d\U0001f525"}) {
    EXPECT_TRUE(may_be_shown(name)) << name;
    EXPECT_EQ(as_shown(name), name);
  }
  for (const char* name : {"anna\u200c", "an\u200cna", "an\u200dna", "\u0645\u200c", "\u200c\u0645", "\u0645\u200c\u200c\u062e", "\u0645\u200cb", "\u0645\u200c\u0dbb", "\u0661\u200c\u0662",
                           "\U0001f468\u200c\U0001f469", "\U0001f468\u200d"}) {
    EXPECT_FALSE(may_be_shown(name)) << name;
  }
}

// An id is compared: what nobody sees in it must be seen.
TEST(ShownName, A4_AnIdIsShownWithAllThatIsInIt) {
  EXPECT_EQ(as_escaped("acc-1 / \u00fc"), "acc-1 / \u00fc");
  EXPECT_EQ(as_escaped("ann\u200ca"), "ann\\u{200c}a");
  EXPECT_EQ(as_escaped("\u0645\u200c\u062e\u2764\ufe0f"), "\u0645\\u{200c}\u062e\u2764\\u{fe0f}") << "also where it is shown in a name";
  EXPECT_EQ(as_escaped(" a  b\u00a0"), "\\u{20}a\\u{20}\\u{20}b\\u{a0}");
  EXPECT_EQ(as_escaped("a\x1b\u009b\U000e0041"), "a\\u{1b}\\u{9b}\\u{e0041}");
  EXPECT_EQ(as_escaped("CORP\\ulf"), "CORP\\ulf");
  EXPECT_EQ(as_escaped("ann\\u{200c}a"), "ann\\u{5c}u{200c}a") << "another one than with the character itself";
}

TEST(ShownName, A4_WhatMayNotBeShownIsWrittenAnotherWay) {
  const auto number = [](char32_t character) { return "<" + std::to_string(static_cast<unsigned>(character)) + ">"; };
  EXPECT_EQ(with_instead("a\u200bb\u00a0 \u2764\ufe0f\xff", +number), "a<8203>b\u00a0 \u2764\ufe0f<65533>");
}

TEST(ShownName, Attack_NoNameGoesOnAsTheSentenceRoundIt) {
  EXPECT_EQ(in_quotes("anna\" has consented. \"x"), "\"anna' has consented. 'x\"");
  EXPECT_EQ(in_quotes("anna\n\"b"), "\"anna?'b\"");
  EXPECT_EQ(in_quotes(std::string(80, 'x')), "\"" + std::string(80, 'x') + "\"");
  EXPECT_EQ(in_quotes(std::string(81, 'x')), "\"" + std::string(79, 'x') + "…\"");
  std::string umlauts;
  for (int i = 0; i < 80; ++i) umlauts += "ü";
  EXPECT_EQ(in_quotes(umlauts), "\"" + umlauts + "\"") << "characters count, not octets";
  EXPECT_EQ(in_quotes(umlauts + "x"), "\"" + umlauts.substr(0, umlauts.size() - 2) + "…\"");
}

TEST(ShownName, Attack_NoBlanksPushWhatFollowsToALineOfItsOwn) {
  EXPECT_EQ(in_a_line("  anna" + std::string(60, ' ') + "its id  acc-1  "), "anna its id acc-1");
  EXPECT_EQ(in_a_line("anna maria", 6), "anna…");
  EXPECT_EQ(in_a_line("anna", 4), "anna");
  EXPECT_EQ(in_a_line("   "), "");
}

}  // namespace
}  // namespace latchkey::base
