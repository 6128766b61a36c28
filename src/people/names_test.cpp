#include "people/names.h"

#include <gtest/gtest.h>

#include <set>

namespace latchkey::people {
namespace {

std::string key_of(std::string_view typed) {
  const auto name = clean_username(typed);
  return name ? name->key : "refused: " + name.error().text;
}
std::string prepared(std::string_view typed) {
  const auto pin = prepare_pin(Secret(typed));
  return pin ? std::string(pin->reveal_text()) : pin.error().reason;
}
std::string verdict(std::string_view typed, std::string_view username = "anna") {
  const auto pin = prepare_new_pin(Secret(typed), username, 6);
  return pin ? "ok" : pin.error().reason;
}

TEST(Usernames, FoldedAndComposed) {
  EXPECT_EQ(key_of("Anna"), "anna");
  EXPECT_EQ(key_of("  anna@Example.COM "), "anna@example.com");
  EXPECT_EQ(key_of("JU\u0308RGEN"), key_of("j\u00fcrgen")) << "decomposed and composed are one name";
  EXPECT_EQ(key_of("STRASSE"), key_of("stra\u00dfe"));
  EXPECT_EQ(clean_username("J\u00fcrgen M\u00fcller")->text, "J\u00fcrgen M\u00fcller");
}

TEST(Usernames, TheServersOwnNamesInTheTrailAreGivenToNobody) {
  for (const std::string_view typed : {"cli", "Keeper", " SERVER ", "setup", "gate"}) {
    const auto name = new_username(typed);
    ASSERT_FALSE(name) << typed;
    EXPECT_EQ(name.error().reason, "username_malformed");
    EXPECT_EQ(name.error().field, "username");
    EXPECT_TRUE(clean_username(typed)) << "who has it already still signs in";
  }
  EXPECT_EQ(new_username("Client")->key, "client");
}

TEST(Usernames, Attack_NoTwoNewOnesLookTheSameByWhatNobodySees) {
  for (const std::string_view typed : {"anna\u3164", "an\u034fna", "anna\u2800", "anna\ufe0f", "anna\U000e0100", "anna\u180b", "anna\u00a0bau", "anna  bau"}) {
    const auto name = new_username(typed);
    ASSERT_FALSE(name) << typed;
    EXPECT_EQ(name.error().reason, "username_malformed");
    EXPECT_EQ(name.error().field, "username");
    EXPECT_TRUE(clean_username(typed)) << "who has it already still signs in";
  }
  EXPECT_TRUE(new_username("B\u00fcro \u2764\ufe0f"));
}

TEST(Usernames, WhatIsRefused) {
  for (const std::string_view typed :
       {std::string_view(""), std::string_view("   "), std::string_view("a:b"), std::string_view("a\nb"),
        std::string_view("a\0b", 3), std::string_view("a\x7f"), std::string_view("\xff\xfe"), std::string_view("a\u200bb"),
        std::string_view("a\u202eb"), std::string_view("a\u2028b"), std::string_view("a\ufdd0")}) {
    const auto name = clean_username(typed);
    ASSERT_FALSE(name) << typed;
    EXPECT_EQ(name.error().reason, "username_malformed");
    EXPECT_EQ(name.error().field, "username");
  }
  EXPECT_TRUE(clean_username(std::string(128, 'x')));
  EXPECT_FALSE(clean_username(std::string(129, 'x')));
  std::string umlauts;
  for (int i = 0; i < 128; ++i) umlauts += "\u00fc";
  EXPECT_TRUE(clean_username(umlauts)) << "characters count, not octets";
  EXPECT_EQ(clean_group_name("a:b")->text, "a:b");
  EXPECT_EQ(clean_group_name("\t").error().field, "group");
}

TEST(Pins, T1_OpaqueString) {
  EXPECT_EQ(prepared("473829"), "473829");
  EXPECT_EQ(prepared("Gr\u00fc\u00dfe"), "Gr\u00fc\u00dfe") << "case and sharp s stay";
  EXPECT_EQ(prepared("Gru\u0308\u00dfe"), "Gr\u00fc\u00dfe") << "NFC";
  EXPECT_EQ(prepared("a\u00a0b\u3000c"), "a b c") << "spaces of every kind";
  EXPECT_EQ(prepared(" pin "), " pin ") << "ASCII spaces count";
  EXPECT_EQ(prepared("\u2764\ufe0f pin"), "\u2764\ufe0f pin") << "any characters";
  EXPECT_EQ(prepared("\uff11"), "\uff11") << "no width mapping";
}

TEST(Pins, T1_ControlCharactersEmptyAndTooLongAreRefused) {
  for (const std::string_view typed : {std::string_view(""), std::string_view("12\n456"), std::string_view("12\0" "456", 6),
                                       std::string_view("123456\x7f"), std::string_view("123\u0085456"),
                                       std::string_view("\xc3\x28"), std::string_view("\xed\xa0\x80")}) {
    EXPECT_EQ(prepared(typed), "pin_malformed") << typed;
  }
  EXPECT_EQ(prepared(std::string(256, 'x')), std::string(256, 'x'));
  EXPECT_EQ(prepared(std::string(257, 'x')), "pin_malformed");
}

TEST(Pins, T1_MinimumAndTrivialOnes) {
  EXPECT_EQ(verdict("47382"), "pin_too_weak");
  EXPECT_EQ(verdict("473829"), "ok");
  EXPECT_EQ(verdict("\u00fc\u00e4\u00f6\u00e9\u00e8"), "pin_too_weak") << "five characters, ten octets";
  for (const auto* trivial : {"111111", "123456", "654321", "234567", "890123", "abcdef", "121212", "123123", "112233", "Password",
                              "passwort1", "Passw0rd!", "qwertz", "QWERTY123", "anna-anna", "annaanna", "159753"}) {
    EXPECT_EQ(verdict(trivial, "annaanna"), trivial == std::string("anna-anna") ? "ok" : "pin_too_weak") << trivial;
  }
  EXPECT_EQ(verdict("anna2026", "anna"), "pin_too_weak");
  EXPECT_EQ(verdict("271828", "anna"), "ok");
}

TEST(Pins, T1_GeneratedTenWithoutLookAlikes) {
  base::SeededEntropy entropy(3);
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const auto pin = generate_pin(entropy);
    EXPECT_EQ(pin.size(), 10u);
    EXPECT_EQ(pin.reveal_text().find_first_of("01iloILO"), std::string_view::npos);
    EXPECT_TRUE(prepare_new_pin(pin, "anna", 6));
    seen.emplace(pin.reveal_text());
  }
  EXPECT_EQ(seen.size(), 200u);
}

TEST(Pins, StrengthGrowsWithLengthAndVariety) {
  const auto of = [](std::string_view pin) { return strength_of(Secret(pin), "anna"); };
  EXPECT_EQ(of("111111"), PinStrength::trivial);
  EXPECT_EQ(of("4738"), PinStrength::weak);
  EXPECT_EQ(of("473829"), PinStrength::fair);
  EXPECT_EQ(of("4738291640"), PinStrength::good);
  EXPECT_EQ(of("k7mq2xw9pd"), PinStrength::strong);
}

}  // namespace
}  // namespace latchkey::people
