#include "doors/address_text.h"

#include <gtest/gtest.h>

#include "people/source_rules.h"

namespace latchkey::doors {
namespace {

TEST(AddressText, T3_WhomAProxyDoesNotKnowIsAtNoAddressThatARuleAllows) {
  const auto proxy = net::IpAddress::parse("192.0.2.9").value();
  const auto rules = people::SourceRules::parse({"192.0.2.9", "192.0.2.0/24"});
  ASSERT_TRUE(rules);
  EXPECT_TRUE(rules->allow(address_text(proxy, true)));
  EXPECT_FALSE(rules->allow(address_text(proxy, false)));
}

}  // namespace
}  // namespace latchkey::doors
