#include "wire/webdav/resource.h"

#include <gmock/gmock.h>

namespace latchkey::wire::webdav {
namespace {

constexpr std::string_view kMount = "/dav/";

std::string reason_of(std::string_view path) {
  const auto found = resource_at(kMount, path);
  return found ? "" : found.error().reason;
}

TEST(DavResource, IsAConnectorAndAPathBelowIt) {
  EXPECT_EQ(resource_at(kMount, "/dav/scans"), (Resource{"scans", "", false}));
  EXPECT_EQ(resource_at(kMount, "/dav/scans/"), (Resource{"scans", "", true}));
  EXPECT_EQ(resource_at(kMount, "/dav/scans/März/a b.pdf"), (Resource{"scans", "März/a b.pdf", false}));
  EXPECT_EQ(resource_at(kMount, "/dav/scans/a/"), (Resource{"scans", "a", true}));
  EXPECT_EQ(resource_at(kMount, "/dav//scans//a.pdf"), (Resource{"scans", "a.pdf", false}))
      << "as devices join folder and name";
  EXPECT_EQ(reason_of("/dav/"), "no_such_resource");
  EXPECT_EQ(reason_of("/v1/scans"), "no_such_resource");
}

TEST(DavResource, D7_NeverLeadsOutOfItsConnector) {
  for (const auto* path : {"/dav/scans/..", "/dav/scans/../x", "/dav/../etc/passwd", "/dav/scans/./x", "/dav/..",
                           "/dav/scans/a/../../b", "/dav/scans/a\\b", "/dav/scans/..\\b", "/dav/scans/a\nb",
                           "/dav/scans/a\x7f", "/dav/scans/\xc0\xaf", "/dav/scans/\xff", "/dav/scans/a\xc2\x85", "/dav/scans/a\xe2\x80\xae" "fdp.exe"})
    EXPECT_EQ(reason_of(path), "bad_path") << path;
  EXPECT_EQ(reason_of(std::string_view("/dav/scans/a\0b", 14)), "bad_path");
  EXPECT_EQ(reason_of("/dav/scans/" + std::string(kPathBytesMax, 'a')), "bad_path");
  std::string deep = "/dav/scans";
  for (std::size_t i = 0; i <= kPathDepthMax; ++i) deep += "/a";
  EXPECT_EQ(reason_of(deep), "bad_path");
  EXPECT_EQ(reason_of("/dav/scans/..."), "") << "a name like any other here; what documents may be called, others say";
}

TEST(DavPath, IsDecodedOnceAndStrictly) {
  EXPECT_EQ(decode_path("/a%20b/M%c3%A4rz+1.pdf"), "/a b/März+1.pdf");
  EXPECT_EQ(decode_path("/a%2525"), "/a%25") << "once";
  for (const auto* raw :
       {"/a%2fb", "/a%2Fb", "/a%5cb", "/a%00b", "/a%0d%0ab", "/a%", "/a%4", "/a%zz", "/a%ff", "/a%c0%af", "/a\\b", "/a%c2%9b", "/a%e2%80%ae"}) {
    const auto decoded = decode_path(raw);
    ASSERT_FALSE(decoded) << raw;
    EXPECT_EQ(decoded.error().reason, "bad_path");
  }
}

TEST(DavPath, ComesBackFromAnHrefAsItWas) {
  for (const auto* path : {"a b.pdf", "März & <1>.pdf", "100%.pdf", "a?b#c.pdf", "日本/語.pdf"}) {
    const Resource resource{"scans", path, false};
    const auto href = href_of(kMount, resource);
    EXPECT_THAT(href, testing::Not(testing::ContainsRegex("[ ?#<>&]")));
    const auto decoded = decode_path(href);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(resource_at(kMount, *decoded), resource);
  }
  EXPECT_EQ(href_of(kMount, {"scans", "", true}), "/dav/scans/");
  EXPECT_EQ(href_of(kMount, {"scans", "a", true}), "/dav/scans/a/");
}

TEST(DavPath, HasAParentAndAName) {
  EXPECT_EQ(parent_of("a/b/c.pdf"), "a/b");
  EXPECT_EQ(parent_of("c.pdf"), "");
  EXPECT_EQ(name_of("a/b/c.pdf"), "c.pdf");
  EXPECT_EQ(name_of("c.pdf"), "c.pdf");
}

}  // namespace
}  // namespace latchkey::wire::webdav
