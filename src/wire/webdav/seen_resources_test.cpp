#include "wire/webdav/seen_resources.h"

#include <gtest/gtest.h>

namespace latchkey::wire::webdav {
namespace {

Result<std::vector<SeenResource>> parse(std::string_view text) { return parse_multistatus(base::as_bytes(text)); }

TEST(SeenResources, AFolderWithAFileInIt) {
  const auto seen = parse(R"(<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:oc="http://owncloud.org/ns">
 <D:response><D:href>/files/x/</D:href>
  <D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
  <D:propstat><D:prop><D:getcontentlength/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>
 </D:response>
 <D:response><D:href>/files/x/b%20c.txt</D:href>
  <D:propstat><D:prop><D:resourcetype/><D:getcontentlength>5</D:getcontentlength>
   <oc:checksums><oc:checksum>SHA256:ab</oc:checksum></oc:checksums></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
 </D:response>
</D:multistatus>)");
  ASSERT_TRUE(seen);
  ASSERT_EQ(seen->size(), 2U);
  EXPECT_EQ((*seen)[0].href, "/files/x/");
  EXPECT_TRUE((*seen)[0].is_collection());
  EXPECT_EQ((*seen)[0].properties.size(), 1U) << "what is not there is left out";
  EXPECT_EQ((*seen)[1].href, "/files/x/b%20c.txt");
  EXPECT_FALSE((*seen)[1].is_collection());
  EXPECT_EQ((*seen)[1].text_of("DAV:", "getcontentlength"), "5");
  EXPECT_EQ((*seen)[1].text_of("http://owncloud.org/ns", "checksums"), "SHA256:ab");
  EXPECT_EQ((*seen)[1].text_of("DAV:", "getetag"), "");
}

TEST(SeenResources, PrefixesAreTheServersOwnAndOneStatusMayCountForAll) {
  const auto seen = parse(
      R"(<multistatus xmlns="DAV:"><response><href>/a &amp; b</href><status>HTTP/1.1 404 Not Found</status></response></multistatus>)");
  ASSERT_TRUE(seen);
  ASSERT_EQ(seen->size(), 1U);
  EXPECT_EQ(seen->front().href, "/a & b");
  EXPECT_EQ(seen->front().status, 404);
}

TEST(SeenResources, APropertyMayBeCalledAsTheFrameIs) {
  const auto seen = parse(
      R"(<D:multistatus xmlns:D="DAV:" xmlns:x="urn:x"><D:response><D:href>/a</D:href><D:propstat><D:prop><x:href>no</x:href><x:status>HTTP/1.1 500 No</x:status></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>)");
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->front().href, "/a");
  EXPECT_EQ(seen->front().status, 0);
  EXPECT_EQ(seen->front().text_of("urn:x", "href"), "no");
}

TEST(SeenResources, WhatIsNoMultistatusIsRefused) {
  for (const std::string_view text :
       {"", "hello", "<html/>", "<multistatus/>", "<D:multistatus xmlns:D=\"DAV:\"><D:response>",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><D:multistatus xmlns:D=\"DAV:\">&a;</D:multistatus>"}) {
    const auto seen = parse(text);
    ASSERT_FALSE(seen) << text;
    EXPECT_EQ(seen.error().reason, "bad_xml");
  }
  std::string deep = "<D:multistatus xmlns:D=\"DAV:\">";
  for (int i = 0; i < 100; ++i) deep += "<D:response>";
  for (int i = 0; i < 100; ++i) deep += "</D:response>";
  EXPECT_FALSE(parse(deep + "</D:multistatus>"));
}

}  // namespace
}  // namespace latchkey::wire::webdav
