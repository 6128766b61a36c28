#include "wire/webdav/request_body.h"

#include <gtest/gtest.h>

namespace latchkey::wire::webdav {
namespace {

using Kind = PropfindQuestion::Kind;

std::string reason_of(std::string_view body) {
  const auto read = parse_propfind(body);
  return read ? "" : read.error().reason;
}

TEST(DavPropfind, AsksForAllForNamesOrForSome) {
  EXPECT_EQ(parse_propfind("")->kind, Kind::all);
  EXPECT_EQ(parse_propfind("<propfind xmlns=\"DAV:\"><allprop/></propfind>")->kind, Kind::all);
  EXPECT_EQ(parse_propfind("<?xml version=\"1.0\"?>\r\n<a:propfind xmlns:a='DAV:'><a:propname/></a:propfind>")->kind,
            Kind::names);
  const auto some = parse_propfind(
      "<D:propfind xmlns:D=\"DAV:\" "
      "xmlns:Z=\"urn:schemas-microsoft-com:\"><D:prop><D:getetag/><Z:Win32FileAttributes/><none/><D:getetag/>"
      "</D:prop></D:propfind>");
  ASSERT_TRUE(some);
  EXPECT_EQ(some->kind, Kind::some);
  EXPECT_EQ(
      some->properties,
      (std::vector<PropertyName>{{"DAV:", "getetag"}, {"urn:schemas-microsoft-com:", "Win32FileAttributes"}, {"", "none"}}));
  const auto included = parse_propfind("<propfind xmlns=\"DAV:\"><allprop/><include><lockdiscovery/></include></propfind>");
  ASSERT_TRUE(included);
  EXPECT_EQ(included->kind, Kind::all);
  EXPECT_EQ(included->properties, (std::vector<PropertyName>{{"DAV:", "lockdiscovery"}}));
}

TEST(DavPropfind, SkipsWhatItDoesNotKnow) {
  const auto asked = parse_propfind(
      "<propfind xmlns=\"DAV:\"><x:hint xmlns:x='urn:x'><prop><a/></prop></x:hint><prop><b><c/></b></prop></propfind>");
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->properties, (std::vector<PropertyName>{{"DAV:", "b"}}));
}

TEST(DavPropfind, IsRefusedWhereItIsNoQuestion) {
  for (const auto* body :
       {"hello", "<propfind/>", "<propfind xmlns=\"DAV:\"/>", "<propfind xmlns=\"DAV:\"><prop>",
        "<a xmlns=\"DAV:\"><allprop/></a>", "<propfind xmlns=\"DAV:\"><allprop/><propname/></propfind>",
        "<D:propfind><D:allprop/></D:propfind>", "<propfind xmlns=\"DAV:\"><prop xmlns:x=\"\"><x:a/></prop></propfind>",
        "<propfind xmlns=\"DAV:\"><allprop/></propfind><b/>"})
    EXPECT_EQ(reason_of(body), "bad_xml") << body;
}

TEST(DavPropfind, AttacksWithDocumentTypesAndSizesAreRefused) {
  EXPECT_EQ(reason_of("<!DOCTYPE p [<!ENTITY a \"b\">]><propfind xmlns=\"DAV:\"><prop>&a;</prop></propfind>"), "bad_xml");
  EXPECT_EQ(reason_of("<!DOCTYPE p SYSTEM \"file:///etc/passwd\"><propfind xmlns=\"DAV:\"><allprop/></propfind>"),
            "bad_xml");
  EXPECT_EQ(reason_of("<propfind xmlns=\"DAV:\"><prop>&undefined;</prop></propfind>"), "bad_xml");
  std::string deep = "<propfind xmlns=\"DAV:\">";
  for (int i = 0; i < 40; ++i) deep += "<a>";
  EXPECT_EQ(reason_of(deep), "bad_xml");
  std::string wide = "<propfind xmlns=\"DAV:\"><prop>";
  for (std::size_t i = 0; i <= kPropertiesMax; ++i) wide += "<a" + std::to_string(i) + "/>";
  EXPECT_EQ(reason_of(wide + "</prop></propfind>"), "bad_xml");
  EXPECT_EQ(reason_of("<propfind xmlns=\"DAV:\"><prop><" + std::string(600, 'a') + "/></prop></propfind>"), "bad_xml");
  EXPECT_EQ(reason_of("<propfind xmlns=\"DAV:\"><allprop/>" + std::string(kBodyBytesMax, ' ') + "</propfind>"), "bad_xml");
  EXPECT_EQ(reason_of("<propfind xmlns=\"DAV:\"><prop xmlns:x=\"a&#10;b\"><x:c/></prop></propfind>"), "bad_xml")
      << "a namespace of two lines";
}

TEST(DavProppatch, NamesWhatIsToBeSetOrRemoved) {
  const auto names = parse_proppatch(
      "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:Z=\"urn:z\"><D:set><D:prop><Z:time>now <b/></Z:time></D:prop></D:set>"
      "<D:remove><D:prop><D:author/></D:prop></D:remove></D:propertyupdate>");
  ASSERT_TRUE(names);
  EXPECT_EQ(*names, (std::vector<PropertyName>{{"urn:z", "time"}, {"DAV:", "author"}}));
  EXPECT_FALSE(parse_proppatch(""));
  EXPECT_FALSE(parse_proppatch("<propertyupdate xmlns=\"DAV:\"/>"));
  EXPECT_FALSE(parse_proppatch("<propfind xmlns=\"DAV:\"><prop><a/></prop></propfind>"));
}

}  // namespace
}  // namespace latchkey::wire::webdav
