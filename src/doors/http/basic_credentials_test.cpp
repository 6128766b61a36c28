#include "doors/http/basic_credentials.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace latchkey::doors {
namespace {

std::string basic(std::string_view plain) { return "Basic " + base::to_base64(base::as_bytes(plain)); }

TEST(BasicCredentials, SplitsAtTheFirstColonAndKeepsTheRest) {
  const auto parsed = parse_basic(basic("anna@example.com:pin:with:colons ä"));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->username, "anna@example.com");
  EXPECT_EQ(parsed->pin.reveal_text(), "pin:with:colons ä");
  EXPECT_TRUE(parse_basic("bAsIc   " + base::to_base64(base::as_bytes("a:b"))));
  EXPECT_TRUE(parse_basic(basic("a:"))->pin.empty());
}

TEST(BasicCredentials, RefusesWhatIsNotBasic) {
  EXPECT_FALSE(parse_basic(""));
  EXPECT_FALSE(parse_basic("Bearer abc"));
  EXPECT_FALSE(parse_basic("Basic"));
  EXPECT_FALSE(parse_basic("Basic not*base64"));
  EXPECT_FALSE(parse_basic(basic("no colon")));
  EXPECT_FALSE(parse_basic(basic(std::string(3000, 'a') + ":b")));
}

}  // namespace
}  // namespace latchkey::doors
