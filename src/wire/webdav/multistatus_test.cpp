#include "wire/webdav/multistatus.h"

#include <gtest/gtest.h>

namespace latchkey::wire::webdav {
namespace {

using namespace std::chrono_literals;

TEST(DavMultistatus, SaysOfEachResourceWhichPropertyHasWhichStatus) {
  const std::vector<ResourceStatus> resources{
      {"/dav/scans/a%20b.pdf",
       {{200, {{{"DAV:", "getcontentlength"}, "5"}, {{"DAV:", "resourcetype"}, ""}}},
        {404, {{{"urn:\"x\"", "time"}, ""}, {{"", "plain"}, ""}}}}},
      {"/dav/scans/", {{200, {{{"DAV:", "resourcetype"}, "<D:collection/>"}}}, {404, {}}}}};
  EXPECT_EQ(
      write_multistatus(resources),
      "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">\n"
      "<D:response><D:href>/dav/scans/a%20b.pdf</D:href>"
      "<D:propstat><D:prop><D:getcontentlength>5</D:getcontentlength><D:resourcetype/></D:prop><D:status>HTTP/1.1 200 "
      "OK</D:status></D:propstat>"
      "<D:propstat><D:prop><x:time xmlns:x=\"urn:&quot;x&quot;\"/><plain/></D:prop><D:status>HTTP/1.1 404 Not "
      "Found</D:status></D:propstat>"
      "</D:response>\n"
      "<D:response><D:href>/dav/scans/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop>"
      "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n"
      "</D:multistatus>\n");
}

TEST(DavMultistatus, NamesOfDocumentsNeverBecomeMarkup) {
  EXPECT_EQ(escape("a<b>&\"c\"\n\x01 März \xef\xbf\xbf"), "a&lt;b&gt;&amp;&quot;c&quot;&#10;? März ?");
}

TEST(DavMultistatus, ErrorsNameTheirCondition) {
  EXPECT_EQ(write_error("propfind-finite-depth"),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:error xmlns:D=\"DAV:\"><D:propfind-finite-depth/></D:error>\n");
}

TEST(DavMultistatus, TimesAreWrittenAsHttpWantsThem) {
  EXPECT_EQ(http_date(WallTime(784111777s + 900ms)), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace latchkey::wire::webdav
