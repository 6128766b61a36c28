#include "delivery/connector_address.h"

#include <gtest/gtest.h>

namespace latchkey::delivery {
namespace {

TEST(ConnectorAddress, IsHttpsOrOnThisMachine) {
  EXPECT_EQ(check_address("https://files.example.com/dav/"), "https://files.example.com/dav");
  EXPECT_EQ(check_address("https://Files.example.com"), "https://files.example.com");
  EXPECT_EQ(check_address("http://127.0.0.1:8080/dav"), "http://127.0.0.1:8080/dav");
  EXPECT_EQ(check_address("http://[::1]:8080/dav"), "http://[::1]:8080/dav");
  for (const std::string_view bad :
       {"", "http://files.example.com/dav", "http://10.0.0.1/", "ftp://files.example.com", "files.example.com",
        "https://user:secret@files.example.com/", "https://files.example.com/?a=b", "http://127.0.0.1.example.com/"}) {
    const auto checked = check_address(bad);
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().field, "url") << bad;
  }
}

TEST(ConnectorAddress, LiesInTheTargetWithTheAppWhoseTokensMayGoThere) {
  store::Connector connector;
  EXPECT_FALSE(address_of(connector));
  connector.target_json = R"({"folder":"Scans"})";
  EXPECT_FALSE(address_of(connector));
  const ConnectorAddress address{.url = "https://files.example.com/dav", .app = "own"};
  JsonObject target{{"folder", "Scans"}};
  add_address(target, address);
  connector.target_json = boost::json::serialize(target);
  EXPECT_EQ(address_of(connector), address);
  connector.target_json = R"({"folder":"Scans","url":"https://files.example.com/dav"})";
  EXPECT_FALSE(address_of(connector)) << "an address without an app gets no token";
}

}  // namespace
}  // namespace latchkey::delivery
