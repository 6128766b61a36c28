#include "pages/cookies.h"

#include <gmock/gmock.h>

namespace latchkey::pages {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(FlowCookies, AreThoseOfTheFlowAloneEachAsOftenAsItCame) {
  net::HttpRequest request;
  request.headers = {{"Cookie", "a=1; flow-1=x=y;  flow-2=; flow-broken"}, {"cookie", "flow-1=z; other-flow-3=1"}};
  EXPECT_THAT(cookies_of(request, {"flow-"}), ElementsAre(Pair("flow-1", "x=y"), Pair("flow-2", ""), Pair("flow-1", "z")));
  EXPECT_THAT(cookies_of(request, {"a", "other-"}), ElementsAre(Pair("a", "1"), Pair("other-flow-3", "1")));
}

TEST(FlowCookies, AreBounded) {
  net::HttpRequest request;
  std::string many;
  for (int n = 0; n < 500; ++n) many += "flow-" + std::to_string(n) + "=1; ";
  request.headers = {{"Cookie", many}};
  EXPECT_EQ(cookies_of(request, {"flow-"}).size(), 64U);
}

}  // namespace
}  // namespace latchkey::pages
