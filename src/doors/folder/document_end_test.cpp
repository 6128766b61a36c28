#include "doors/folder/document_end.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace latchkey::doors {
namespace {

using std::string_literals::operator""s;

std::string_view missing_of(const std::string& document, std::string_view name = "scan") {
  return missing_end(name, document.size(), [&](std::uint64_t offset, std::size_t size_bytes) {
    return base::to_bytes(document.substr(std::min<std::size_t>(offset, document.size()), size_bytes));
  });
}

// As the header's first letter says: II, the least significant octet first; MM, the most.
std::string number(char order, std::uint64_t value, int width) {
  std::string octets;
  for (int i = 0; i < width; ++i) octets += static_cast<char>(value >> (order == 'I' ? 8 * i : 8 * (width - 1 - i)));
  return octets;
}
std::string header(char order, std::uint64_t directory) {
  return (order == 'I' ? "II*\0"s : "MM\0*"s) + number(order, directory, 4);
}
// One LONG in each entry.
std::string directory(char order, const std::vector<std::pair<int, std::uint64_t>>& entries, std::uint64_t next, std::uint64_t count = 1) {
  auto octets = number(order, entries.size(), 2);
  for (const auto& [tag, value] : entries) octets += number(order, static_cast<std::uint64_t>(tag), 2) + number(order, 4, 2) + number(order, count, 4) + number(order, value, 4);
  return octets + number(order, next, 4);
}

constexpr int kStripOffsets = 273;
constexpr int kStripByteCounts = 279;
constexpr int kTileOffsets = 324;
constexpr int kTileByteCounts = 325;

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
  EXPECT_EQ(missing_of("PK\x03\x04" + body + "PK\x05\x06" + std::string(60'000, '\0')), "");
}

// Two pages, each written before its directory: the second directory tells of the end.
TEST(DocumentEnd, D9_OfATiffIsWhereItsDirectoriesSay) {
  for (const char order : {'I', 'M'}) {
    const std::string page(1000, 'x');
    const auto first = directory(order, {{kStripOffsets, 8}, {kStripByteCounts, 1000}}, 1008 + 30 + 1000);
    const auto second = directory(order, {{kTileOffsets, 1008 + 30}, {kTileByteCounts, 1000}}, 0);
    ASSERT_EQ(first.size(), 30U);
    const auto whole = header(order, 1008) + page + first + page + second;
    EXPECT_EQ(missing_of(whole), "") << order;
    for (const std::size_t cut : {4U, 500U, 1009U, 1037U, 1038U, 1500U, 2038U, 2067U})
      EXPECT_EQ(missing_of(whole.substr(0, cut)), "a TIFF without its directory") << order << cut;
  }
}

TEST(DocumentEnd, D9_OfATiffWhoseDirectoryComesFirstIsThatOfItsImage) {
  for (const char order : {'I', 'M'}) {
    const auto striped = header(order, 8) + directory(order, {{kStripOffsets, 38}, {kStripByteCounts, 1000}}, 0) + std::string(1000, 'x');
    EXPECT_EQ(missing_of(striped), "");
    EXPECT_EQ(missing_of(striped.substr(0, 1037)), "a TIFF without all of its image");
    // Of two tiles, whose offsets and lengths stand in lists of their own.
    const auto lists = number(order, 54, 4) + number(order, 554, 4) + number(order, 500, 4) + number(order, 500, 4);
    const auto tiled = header(order, 8) + directory(order, {{kTileOffsets, 38}, {kTileByteCounts, 46}}, 0, 2) + lists + std::string(1000, 'x');
    EXPECT_EQ(missing_of(tiled), "");
    for (const std::size_t cut : {40U, 50U, 700U, 1053U}) EXPECT_EQ(missing_of(tiled.substr(0, cut)), "a TIFF without all of its image") << cut;
  }
  EXPECT_EQ(missing_of(header('I', 0) + std::string(1000, 'x')), "a TIFF without its directory") << "its place is filled in last";
}

TEST(DocumentEnd, Attack_ATiffThatLeadsInCirclesIsFollowedOnce) {
  EXPECT_EQ(missing_of(header('I', 8) + directory('I', {}, 8)), "");
  EXPECT_EQ(missing_of(header('I', 8) + directory('I', {}, 14) + directory('I', {}, 8)), "");
  EXPECT_EQ(missing_of(header('M', 8) + directory('M', {{kStripOffsets, 0}}, 0, 0xffffffff)), "a TIFF without all of its image");
}

// Half a second after it has been made, or its sender died before the first octet.
TEST(DocumentEnd, D9_OfWhatIsTooShortToTellIsWhatItsNameSays) {
  for (const auto* octets : {"", "%", "%PD"}) {
    EXPECT_EQ(missing_of(octets, "scan.PDF"), "a PDF without its end");
    EXPECT_EQ(missing_of(octets, "scan.pdf.1"), "a PDF without its end");
    EXPECT_EQ(missing_of(octets, "scan.txt"), "");
  }
  EXPECT_EQ(missing_of("\xff\xd8", "scan.jpg"), "a JPEG without its end");
  EXPECT_EQ(missing_of("\x89PN", "scan.png"), "a PNG without its end");
  EXPECT_EQ(missing_of("II*", "scan.tiff"), "a TIFF without its directory");
  EXPECT_EQ(missing_of("PK", "letter.docx"), "a ZIP or office document without its end");
  EXPECT_EQ(missing_of("no PDF at all", "scan.pdf"), "");
}

TEST(DocumentEnd, IsNotAskedOfWhatDoesNotTell) {
  EXPECT_EQ(missing_of(""), "");
  EXPECT_EQ(missing_of("<?xml version='1.0'?><a>"), "");
  EXPECT_EQ(missing_of("%PD"), "");
}

}  // namespace
}  // namespace latchkey::doors
