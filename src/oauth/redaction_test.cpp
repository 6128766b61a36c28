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

}  // namespace
}  // namespace latchkey::oauth
