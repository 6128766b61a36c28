#include "doors/http/idempotency_key.h"

#include <gtest/gtest.h>

namespace latchkey::doors {
namespace {

TEST(IdempotencyKey, IsReadQuotedAndBare) {
  EXPECT_EQ(idempotency_key_of("").value(), "");
  EXPECT_EQ(idempotency_key_of("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"").value(), "8e03978e-40d5-43dd-bc93-6894a57f9324");
  EXPECT_EQ(idempotency_key_of("scan-17").value(), "scan-17");
}

TEST(IdempotencyKey, WhatCouldBeReadTwoWaysIsRefused) {
  for (const std::string bad : {"\"\"", "\"a", "a b", "\"a\\b\"", "a\tb", "\"a\"; x=1", "\xc3\xbc"}) {
    const auto key = idempotency_key_of(bad);
    ASSERT_FALSE(key) << bad;
    EXPECT_EQ(key.error().reason, "bad_idempotency_key");
  }
  EXPECT_TRUE(idempotency_key_of(std::string(200, 'k')));
  EXPECT_FALSE(idempotency_key_of(std::string(201, 'k')));
}

}  // namespace
}  // namespace latchkey::doors
