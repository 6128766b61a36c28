#include "doors/folder/document_end.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace latchkey::doors {
namespace {

using std::string_literals::operator""s;

std::string_view missing_of(const std::string& document) {
  const auto octets = base::as_bytes(document);
  return missing_end(octets.first(std::min(octets.size(), kHeadBytes)), octets.last(std::min(octets.size(), kTailBytes)), octets.size());
}

TEST(DocumentEnd, IsMissedWhereTheFormatHasOne) {
  const std::string body(5000, 'x');
  EXPECT_EQ(missing_of("%PDF-1.7\n" + body), "a PDF without its end");
  EXPECT_EQ(missing_of("%PDF-1.7\n" + body + "\n%%EOF\r\n"), "");
  EXPECT_EQ(missing_of("%PDF-1.7\n%%EOF" + body), "a PDF without its end") << "an end far from the end is none";
  EXPECT_EQ(missing_of("\xff\xd8\xff\xe0" + body), "a JPEG without its end");
  EXPECT_EQ(missing_of("\xff\xd8\xff\xe0" + body + "\xff\xd9"), "");
  EXPECT_EQ(missing_of("\x89PNG\r\n\x1a\n" + body), "a PNG without its end");
  EXPECT_EQ(missing_of("\x89PNG\r\n\x1a\n" + body + "IEND\xae\x42\x60\x82"), "");
  EXPECT_EQ(missing_of("PK\x03\x04" + body), "a ZIP or office document without its end");
  EXPECT_EQ(missing_of("PK\x03\x04" + body + "PK\x05\x06" + std::string(18, '\0')), "");
}

TEST(DocumentEnd, OfATiffIsWhereItsHeaderSays) {
  const std::string body(1000, 'x');
  EXPECT_EQ(missing_of("II*\0\x08\0\0\0"s + body), "");
  EXPECT_EQ(missing_of("II*\0\xe8\x03\0\0"s + body), "") << "1,000 lies inside";
  EXPECT_EQ(missing_of("II*\0\xe8\x0f\0\0"s + body), "a TIFF without its directory");
  EXPECT_EQ(missing_of("MM\0*\0\0\0\x08"s + body), "");
  EXPECT_EQ(missing_of("MM\0*\0\0\xff\0"s + body), "a TIFF without its directory");
  EXPECT_EQ(missing_of("II*\0"s), "a TIFF without its directory");
}

TEST(DocumentEnd, IsNotAskedOfWhatDoesNotTell) {
  EXPECT_EQ(missing_of(""), "");
  EXPECT_EQ(missing_of("<?xml version='1.0'?><a>"), "");
  EXPECT_EQ(missing_of("%PD"), "");
}

}  // namespace
}  // namespace latchkey::doors
