#include "net/http_types.h"

#include <gtest/gtest.h>

namespace latchkey::net {
namespace {

TEST(HttpHeaders, FindsWithoutCaseAndKeepsOrder) {
  HttpHeaders headers{{"Accept", "a"}, {"X-One", "1"}, {"accept", "b"}};
  EXPECT_EQ(headers.find("ACCEPT"), "a");
  EXPECT_EQ(headers.joined("Accept"), "a, b");
  EXPECT_EQ(headers.find("Acc"), std::nullopt);
  EXPECT_TRUE(headers.set("ACCEPT", "c"));
  EXPECT_EQ(headers.size(), 2U);
  EXPECT_EQ(headers.find("accept"), "c");
  EXPECT_EQ(headers[0].name, "X-One");
}

TEST(HttpHeaders, RefusesWhatCouldSplitAMessage) {
  HttpHeaders headers;
  EXPECT_FALSE(headers.add("Location", "/x\r\nSet-Cookie: a=b"));
  EXPECT_FALSE(headers.add("Location", std::string_view("/x\0y", 4)));
  EXPECT_FALSE(headers.add("Bad Name", "x"));
  EXPECT_FALSE(headers.add("Bad:", "x"));
  EXPECT_FALSE(headers.add("", "x"));
  EXPECT_TRUE(headers.add("X", "tab\tand \xc3\xa9"));
  EXPECT_EQ(headers.size(), 1U);
}

TEST(HttpHeaders, AreBounded) {
  HttpHeaders headers;
  for (std::size_t i = 0; i < HttpHeaders::kHeadersMax; ++i) EXPECT_TRUE(headers.add("X", "y"));
  EXPECT_FALSE(headers.add("X", "y"));
  headers.clear();
  EXPECT_FALSE(headers.add("X", std::string(HttpHeaders::kTextBytesMax, 'y')));
}

TEST(HttpRequest, ReadsQueryCookiesAndType) {
  HttpRequest request;
  request.query = "code=a%2Bb&state=x+y&code=second";
  request.headers = {{"Cookie", "a=1; session=abc"}, {"Cookie", "twice=1"}, {"Cookie", "twice=2"},
                     {"Content-Type", "Application/JSON ; charset=utf-8"}};
  EXPECT_EQ(request.query_parameter("code"), "a+b");
  EXPECT_EQ(request.query_parameter("state"), "x y");
  EXPECT_EQ(request.query_parameter("error"), std::nullopt);
  EXPECT_EQ(request.cookie("session"), "abc");
  EXPECT_EQ(request.cookie("twice"), std::nullopt) << "one of the two was planted";
  EXPECT_EQ(request.content_type(), "application/json");
}

TEST(HttpRequest, IsConfidentialOverTlsOrLoopbackOnly) {
  HttpRequest request;
  request.client = IpAddress::parse("203.0.113.5").value();
  EXPECT_FALSE(request.is_confidential());
  request.scheme = "https";
  EXPECT_TRUE(request.is_confidential());
  request.scheme = "http";
  request.client = IpAddress::parse("::1").value();
  EXPECT_TRUE(request.is_confidential());
  EXPECT_TRUE(request.headers.add("X-Forwarded-For", "127.0.0.1"));
  EXPECT_FALSE(request.is_confidential()) << "a proxy on this host that nobody trusts";
  for (const auto* field : {"X-Forwarded-Host", "x-forwarded-proto", "Forwarded", "X-Real-IP", "via"}) {
    request.headers.clear();
    EXPECT_TRUE(request.headers.add(field, "127.0.0.1"));
    EXPECT_FALSE(request.is_confidential()) << field;
  }
}

TEST(HttpResponse, ProblemsFollowRfc9457) {
  const auto response = HttpResponse::problem(400, "type_required", "Say which type.", {{"types", {"box", "xero"}}});
  EXPECT_EQ(response.headers.find("content-type"), "application/problem+json");
  const auto body = parse_json(response.body).value().as_object();
  EXPECT_EQ(body.at("type"), "urn:latchkey:problem:type_required");
  EXPECT_EQ(body.at("title"), "Bad Request");
  EXPECT_EQ(body.at("status"), 400);
  EXPECT_EQ(body.at("detail"), "Say which type.");
  EXPECT_EQ(body.at("types").as_array().size(), 2U);
}

}  // namespace
}  // namespace latchkey::net
