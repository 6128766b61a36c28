#include "wire/multipart.h"

#include <gtest/gtest.h>

namespace latchkey::wire {
namespace {

// What a body says, in one line: [header|octets] for each part; fed in pieces of that size.
std::string told(std::string_view body, std::size_t piece = 1'000'000, MultipartLimits limits = {}) {
  MultipartReader reader("cut here", limits);
  std::string story;
  for (std::size_t at = 0;;) {
    const auto event = reader.next();
    if (!event) return story + "!" + event.error().reason;
    if (std::holds_alternative<MultipartReader::End>(*event)) return story + ".";
    if (const auto* part = std::get_if<MultipartReader::PartBegins>(&*event)) {
      story += "[";
      for (const auto& [name, value] : part->headers) story += name + "=" + value + ";";
      story += "|";
    }
    if (const auto* octets = std::get_if<MultipartReader::PartOctets>(&*event)) story += octets->octets;
    if (std::holds_alternative<MultipartReader::PartEnds>(*event)) story += "]";
    if (!std::holds_alternative<MultipartReader::NeedsMore>(*event)) continue;
    if (at >= body.size()) return story + "?";
    reader.feed(body.substr(at, piece));
    at += piece;
  }
}

// The same story, however it is cut into pieces.
std::string same(std::string_view body) {
  const auto whole = told(body);
  for (std::size_t piece = 1; piece < 40; ++piece) EXPECT_EQ(told(body, piece), whole) << piece;
  return whole;
}

TEST(Multipart, PartsAndTheirHeadersComeAsTheyStand) {
  EXPECT_EQ(
      same("--cut here\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--cut here  \r\nA:b\r\nC: d \r\n\r\n"
           "two\r\nlines\r\n\r\n--cut here--\r\nepilogue"),
      "[content-disposition=form-data; name=\"a\";|one][a=b;c=d;|two\r\nlines\r\n].");
  EXPECT_EQ(same("a preamble\r\nof lines\r\n--cut here\r\n\r\nno header\r\n--cut here--"), "[|no header].");
}

TEST(Multipart, WhatLooksLikeADelimiterIsContent) {
  EXPECT_EQ(same("--cut here\r\n\r\n--cut her\r\n--cut hers\n--cut here\r--\r\n-\r\n--cut here--"),
            "[|--cut her\r\n--cut hers\n--cut here\r--\r\n-].");
}

TEST(Multipart, EmptyOnes) {
  EXPECT_EQ(same("--cut here\r\nA: b\r\n\r\n\r\n--cut here--"), "[a=b;|].");
  EXPECT_EQ(same("--cut here\r\nA: b\r\n\r\n--cut here--"), "[a=b;|].") << "RFC 2046: a body-part need have no body";
  EXPECT_EQ(same("--cut here--"), ".");
}

TEST(Multipart, CutShortTheyDoNotEnd) {
  const std::string_view whole = "--cut here\r\nA: b\r\n\r\noctets\r\n--cut here--";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto story = told(whole.substr(0, size));
    EXPECT_TRUE(story.ends_with('?')) << size << ": " << story;
  }
}

TEST(Multipart, D7_WhatCouldBeReadTwoWaysIsRefused) {
  const auto refused = [](std::string_view body) {
    const auto story = same(body);
    return story.substr(story.rfind('!') + 1);
  };
  EXPECT_EQ(refused("--cut here\r\n\r\none\r\n--cut hereafter\r\n\r\ntwo\r\n--cut here--"), "malformed_multipart");
  EXPECT_EQ(refused("--cut here\n\nbare line feeds\n--cut here--"), "malformed_multipart");
  EXPECT_EQ(refused("--cut here-\r\n"), "malformed_multipart");
  EXPECT_EQ(refused("--cut here\r\nno colon\r\n\r\n"), "malformed_multipart");
  EXPECT_EQ(refused("--cut here\r\n folded: yes\r\n\r\n"), "malformed_multipart");
  EXPECT_EQ(refused("--cut here\r\nA: b\nC: d\r\n\r\n"), "malformed_multipart") << "a bare line feed hides a field";
  EXPECT_EQ(refused(std::string("--cut here\r\nA: \0b\r\n\r\n", 21)), "malformed_multipart");
}

TEST(Multipart, HeadersPreamblesAndPartsAreBounded) {
  const MultipartLimits limits{.parts_max = 2, .header_bytes_max = 100};
  EXPECT_EQ(told(std::string(10'000, 'x'), 50, limits), "!malformed_multipart");
  EXPECT_EQ(told("--cut here\r\nA: " + std::string(10'000, 'x'), 50, limits), "!malformed_multipart");
  EXPECT_EQ(told("--cut here" + std::string(10'000, ' '), 50, limits), "!malformed_multipart");
  const std::string part = "\r\n--cut here\r\n\r\nx";
  EXPECT_EQ(told(part + part + part, 7, limits), "[|x][|x]!malformed_multipart");
}

TEST(Multipart, BoundariesAsContentTypesNameThem) {
  const auto boundary = [](std::string_view type) { return multipart_boundary(type).value_or("-"); };
  EXPECT_EQ(boundary("multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW"),
            "----WebKitFormBoundary7MA4YWxkTrZu0gW");
  EXPECT_EQ(boundary("multipart/form-data; charset=utf-8; Boundary=\"a; b\\\"c\""), "-")
      << "a quote is no boundary's character";
  EXPECT_EQ(boundary("multipart/form-data;charset=\"a; boundary=x\" ; boundary=\"a b\""), "a b");
  for (const auto* type : {"multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a",
                           "multipart/form-data; boundary=a; boundary=b", "multipart/form-data; boundary=a\x01"}) {
    EXPECT_EQ(boundary(type), "-") << type;
  }
  EXPECT_EQ(boundary("multipart/form-data; boundary=" + std::string(71, 'a')), "-");
}

}  // namespace
}  // namespace latchkey::wire
