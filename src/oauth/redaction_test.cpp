#include "oauth/redaction.h"

#include <gtest/gtest.h>

namespace latchkey::oauth {
namespace {

TEST(Redaction, WhatLooksLikeATokenIsTakenOut) {
  EXPECT_EQ(redacted("Token ya29.a0AfH6SMBx0123456789abcdef is expired."), "Token \u2026 is expired.");
  EXPECT_EQ(redacted("refresh_token=1//0gdZ3nQqXyzCgYIARAAGBASNwF-L9Ir"), "\u2026");
  EXPECT_EQ(redacted("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"), "\u2026");
  EXPECT_EQ(redacted("AADSTS700082: The refresh token has expired due to inactivity."), "AADSTS700082: The refresh token has expired due to inactivity.");
  EXPECT_EQ(redacted("a\nb\tc"), "a b c");
  EXPECT_EQ(redacted("interaction_required"), "interaction_required");
  const auto cut = redacted(std::string(150, 'a') + " " + std::string(150, ' ') + "\u00e4");
  EXPECT_LE(cut.size(), 203u);
  std::string umlauts;
  for (int i = 0; i < 150; ++i) umlauts += "\u00e4";
  EXPECT_TRUE(redacted(umlauts).ends_with("\u00e4\u2026")) << "cut between characters";
}

std::string struck(std::string words, std::string_view secret) {
  const Secret secrets[] = {Secret(secret)};
  strike_out(words, secrets);
  return words;
}

TEST(Redaction, P7_WhatIsKnownToBeSecretGoesInWhateverShape) {
  constexpr std::string_view kToken = "1000:ab12cd34ef56gh78ij:kl90/mn12";
  EXPECT_EQ(struck("Token 1000:ab12cd34ef56gh78ij:kl90/mn12 is busy", kToken), "Token \u2026 is busy");
  EXPECT_EQ(struck("1000:AB12cd34ef56gh78ij:kl90/mn12 twice 1000:ab12cd34ef56gh78ij:kl90/mn12", kToken), "\u2026 twice \u2026");
  EXPECT_EQ(struck("refresh_token=1000%3aab12cd34ef56gh78ij%3Akl90%2Fmn12&x", kToken), "refresh_token=\u2026&x");
  EXPECT_EQ(struck("cut off: 1000:ab12cd34", kToken), "cut off: \u2026");
  EXPECT_EQ(struck("cut off: 1000%3Aab", kToken), "cut off: \u2026");
  EXPECT_EQ(struck("short one: ab1", "ab1"), "short one: ab1") << "what so short a secret would take with it says more";
  EXPECT_EQ(struck("", kToken), "");
  EXPECT_EQ(struck("1000", "1000"), "\u2026");
}

}  // namespace
}  // namespace latchkey::oauth
