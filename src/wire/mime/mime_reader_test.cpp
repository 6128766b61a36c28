#include "wire/mime/mime_reader.h"

#include <gtest/gtest.h>

#include "wire/mime/encoded_text.h"
#include "wire/mime/mail_address.h"
#include "wire/mime/media_type.h"

namespace latchkey::wire {
namespace {

struct Part {
  PartHead head;
  std::string octets;
  PartEnding ending = PartEnding::cut_off;
};

// The parts of a message that comes in pieces of `piece` octets.
Result<std::vector<Part>> read(std::string_view message, std::size_t piece = 1 << 20, MimeLimits limits = {}) {
  MimeReader reader(limits);
  std::vector<Part> parts;
  const auto take = [&](std::vector<MimeEvent> events) {
    for (auto& event : events) {
      if (auto* begins = std::get_if<PartBegins>(&event)) parts.push_back({.head = begins->head});
      if (auto* octets = std::get_if<PartOctets>(&event)) parts.back().octets += base::as_text(octets->octets);
      if (auto* ends = std::get_if<PartEnds>(&event)) parts.back().ending = ends->ending;
    }
  };
  while (!message.empty()) {
    auto events = reader.feed(message.substr(0, piece));
    if (!events) return std::unexpected(events.error());
    take(std::move(*events));
    message.remove_prefix(std::min(piece, message.size()));
  }
  auto events = reader.finish();
  if (!events) return std::unexpected(events.error());
  take(std::move(*events));
  return parts;
}

constexpr std::string_view kScan =
    "From: scanner@office.example\r\nSubject: Scan\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=\"=_b1\"\r\n\r\nThis is a message in several parts.\r\n"
    "--=_b1\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nSee attachment.\r\n-- \r\nThe scanner\r\n"
    "--=_b1\r\nContent-Type: application/pdf; name=\"scan.pdf\"\r\nContent-Transfer-Encoding: base64\r\n"
    "Content-Disposition: attachment; filename=\"scan.pdf\"\r\n\r\nJVBERi0xLjQK\r\nAAEC/w==\r\n--=_b1--\r\nEpilogue\r\n";
const std::string kPdf("%PDF-1.4\n\x00\x01\x02\xff", 13);

TEST(MimeReader, WhatSaysTheSameInAnotherFormIsKnown) {
  const auto parts = read(
      "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\nfirst\r\n"
      "--m\r\nContent-Type: Multipart/Alternative; boundary=a\r\n\r\n--a\r\n\r\nplain\r\n"
      "--a\r\nContent-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: text/html\r\n\r\nhtml\r\n--r--\r\n--a--\r\n"
      "--m\r\nContent-Type: text/csv\r\n\r\n1;2\r\n"
      "--m\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nother\r\n--b--\r\n--m--\r\n");
  ASSERT_TRUE(parts);
  std::vector<unsigned> numbers;
  for (const auto& part : *parts) numbers.push_back(part.head.alternative);
  EXPECT_EQ(numbers, (std::vector<unsigned>{0, 1, 1, 0, 2}));
}

TEST(MimeReader, AScanWithItsDocumentInPiecesOfAnySize) {
  for (const std::size_t piece : {1, 2, 3, 7, 64, 1 << 20}) {
    const auto parts = read(kScan, piece);
    ASSERT_TRUE(parts);
    ASSERT_EQ(parts->size(), 2U) << piece;
    EXPECT_EQ((*parts)[0].head.type, "text/plain");
    EXPECT_EQ((*parts)[0].head.charset, "us-ascii");
    EXPECT_FALSE((*parts)[0].head.is_document());
    EXPECT_EQ((*parts)[0].octets, "See attachment.\r\n-- \r\nThe scanner") << piece;
    EXPECT_EQ((*parts)[1].head.type, "application/pdf");
    EXPECT_EQ((*parts)[1].head.file_name, "scan.pdf");
    EXPECT_EQ((*parts)[1].head.disposition, Disposition::attachment);
    EXPECT_TRUE((*parts)[1].head.is_document());
    EXPECT_EQ((*parts)[1].octets, kPdf) << piece;
    EXPECT_EQ((*parts)[1].ending, PartEnding::whole);
  }
}

TEST(MimeReader, D6_BareLineFeeds) {
  std::string message(kScan);
  std::erase(message, '\r');
  const auto parts = read(message, 5);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 2U);
  EXPECT_EQ((*parts)[1].octets, kPdf);
  EXPECT_EQ((*parts)[0].octets, "See attachment.\n-- \nThe scanner");
}

TEST(MimeReader, AMessageThatIsTheDocumentItself) {
  const auto parts = read(
      "Content-Type: image/tiff\r\nContent-Disposition: inline; filename=a.tif\r\nContent-Transfer-Encoding: "
      "BASE64\r\n\r\nAAEC\r\n");
  ASSERT_EQ(parts->size(), 1U);
  EXPECT_EQ(parts->front().octets, std::string("\x00\x01\x02", 3));
  EXPECT_EQ(parts->front().ending, PartEnding::whole);
  EXPECT_EQ(parts->front().head.disposition, Disposition::inline_);
}

TEST(MimeReader, ABodyWithoutAnyHeaderIsText) {
  const auto parts = read("Hello,\r\nworld: all of it\r\n");
  ASSERT_EQ(parts->size(), 1U);
  EXPECT_EQ(parts->front().octets, "Hello,\r\nworld: all of it\r\n");
}

TEST(MimeReader, EmptyMessagesAndEmptyParts) {
  EXPECT_EQ(read("")->front().octets, "");
  const auto parts =
      read("Content-Type: multipart/mixed; boundary=x\n\n--x\n\n--x\nContent-Type: application/pdf\n--x--\n", 1);
  ASSERT_EQ(parts->size(), 2U);
  EXPECT_EQ(parts->front().head.type, "text/plain");
  EXPECT_EQ(parts->front().octets, "");
  EXPECT_EQ(parts->back().head.type, "application/pdf") << "a header without its empty line is a part all the same";
}

TEST(MimeReader, PartsInParts) {
  const auto parts = read(
      "Content-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\nContent-Type: multipart/related; "
      "boundary=outerinner\r\n\r\n"
      "--outerinner\r\n\r\nfirst\r\n--outerinner\r\nContent-ID: <img@x>\r\nContent-Type: image/png\r\n\r\nsecond\r\n"
      "--outer\r\n\r\nthird: --outerinner\r\n--outer--\r\n",
      3);
  ASSERT_EQ(parts->size(), 3U);
  EXPECT_EQ((*parts)[0].octets, "first");
  EXPECT_EQ((*parts)[0].head.depth, 2U);
  EXPECT_EQ((*parts)[1].octets, "second");
  EXPECT_EQ((*parts)[1].head.content_id, "img@x");
  EXPECT_EQ((*parts)[1].ending, PartEnding::whole) << "the outer delimiter closes what was left open within";
  EXPECT_EQ((*parts)[2].octets, "third: --outerinner");
  EXPECT_EQ((*parts)[2].head.depth, 1U);
}

TEST(MimeReader, AMessageThatBreaksOffSaysSo) {
  const auto parts = read(kScan.substr(0, kScan.find("AAEC")));
  ASSERT_EQ(parts->size(), 2U);
  EXPECT_EQ((*parts)[0].ending, PartEnding::whole);
  EXPECT_EQ((*parts)[1].ending, PartEnding::cut_off);
}

TEST(MimeReader, D6_ALastDelimiterWithoutItsHyphens) {
  const auto parts = read("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nall\r\n--x\r\n");
  ASSERT_EQ(parts->size(), 1U);
  EXPECT_EQ(parts->front().octets, "all");
  EXPECT_EQ(parts->front().ending, PartEnding::whole);
}

TEST(MimeReader, BrokenBase64IsToldAsDamage) {
  const std::string head = "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  EXPECT_EQ(read(head + "AAEC\x80\r\n")->front().ending, PartEnding::damaged);
  EXPECT_EQ(read(head + "AAECA\r\n")->front().ending, PartEnding::damaged);
  EXPECT_EQ(read(head + "AAECAw\r\n")->front().ending, PartEnding::whole) << "padding that was left away is no damage";
  EXPECT_EQ(read(head + "AA==\r\nAQ==\r\n")->front().octets, std::string("\x00\x01", 2)) << "pieces one behind the other";
}

TEST(MimeReader, D6_QuotedPrintableCutAnywhere) {
  const std::string_view message =
      "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
      "M=E4rz  \r\nlang=  \r\ne Zeile=\r\n, 2=2B2 =ZZ 100=\r\n";
  for (const std::size_t piece : {1, 2, 3, 50, 1000}) {
    EXPECT_EQ(read(message, piece)->front().octets,
              "M\xe4"
              "rz\r\nlange Zeile, 2+2 =ZZ 100")
        << piece;
  }
}

TEST(MimeReader, Attack_AHeaderWithoutEnd) {
  MimeReader reader;
  std::size_t fed = 0;
  Result<std::vector<MimeEvent>> events;
  while (events && fed < 1'000'000) {
    events = reader.feed(std::string(1000, 'x'));
    fed += 1000;
  }
  ASSERT_FALSE(events);
  EXPECT_EQ(events.error().reason, "mail_header_too_long");
  EXPECT_LE(fed, 133'000U);
  const auto many = read("Content-Type: multipart/mixed; boundary=x\n\n--x\n" + std::string(200'000, 'A') + ": b");
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().reason, "mail_header_too_long");
}

TEST(MimeReader, Attack_MultipartsWithoutBottom) {
  std::string message;
  for (int level = 0; level < 100; ++level) {
    const auto boundary = "b" + std::to_string(level);
    message += "Content-Type: multipart/mixed; boundary=" + boundary + "\n\n--" + boundary + "\n";
  }
  const auto parts = read(message);
  ASSERT_FALSE(parts);
  EXPECT_EQ(parts.error().reason, "mail_too_deep");
}

TEST(MimeReader, Attack_MorePartsThanAnybodySends) {
  std::string message = "Content-Type: multipart/mixed; boundary=x\n\n";
  for (int part = 0; part < 2000; ++part) message += "--x\n\n\n";
  const auto parts = read(message);
  ASSERT_FALSE(parts);
  EXPECT_EQ(parts.error().reason, "mail_too_many_parts");
}

TEST(MimeReader, Attack_ALineWithoutEndIsPassedOnAsItComes) {
  MimeReader reader;
  std::size_t told = 0;
  const auto take = [&](const Result<std::vector<MimeEvent>>& events) {
    ASSERT_TRUE(events);
    for (const auto& event : *events) {
      if (const auto* octets = std::get_if<PartOctets>(&event)) told += octets->octets.size();
    }
  };
  take(reader.feed("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: a/b\r\n\r\n--"));
  for (std::size_t fed = 0; fed < 1'000'000; fed += 1000) {
    take(reader.feed(std::string(1000, '-')));
    EXPECT_GE(told + 1600, fed) << "no more waits than a delimiter may be long";
  }
}

TEST(MimeReader, NamesAsDevicesSpellThem) {
  const auto name = [](std::string_view disposition) {
    const auto parts =
        read("Content-Type: application/pdf\r\nContent-Disposition: " + std::string(disposition) + "\r\n\r\nx");
    return parts->front().head.file_name;
  };
  EXPECT_EQ(name("attachment; filename=\"my scan.pdf\""), "my scan.pdf");
  EXPECT_EQ(name("attachment; filename=my scan.pdf"), "my scan.pdf") << "without quotes";
  EXPECT_EQ(name("attachment; filename=\"C:\\SCANS\\a.pdf\""), "C:\\SCANS\\a.pdf") << "whoever uses it refuses it";
  EXPECT_EQ(name("attachment; filename*=UTF-8''M%C3%A4rz.pdf"), "März.pdf");
  EXPECT_EQ(name("attachment; filename*=iso-8859-1'de'M%E4rz.pdf; filename=Maerz.pdf"), "März.pdf");
  EXPECT_EQ(name("attachment;\r\n filename*0*=UTF-8''Rechnung%20;\r\n filename*1=M;\r\n filename*2*=%C3%A4rz.pdf"),
            "Rechnung März.pdf");
  EXPECT_EQ(name("attachment; filename=\"=?UTF-8?B?TcOkcnoucGRm?=\""), "März.pdf") << "RFC 2047 in quotes, which it forbids";
  EXPECT_EQ(name("attachment; filename==?iso-8859-1?Q?M=E4rz_2.pdf?="), "März 2.pdf");
  EXPECT_EQ(name("attachment; filename=\"=?Shift_JIS?B?g1iDTIODg5MucGRm?=\""), "スキャン.pdf");
  EXPECT_EQ(name("attachment; filename=\"M\xe4"
                 "rz.pdf\""),
            "März.pdf")
      << "raw windows-1252";
  EXPECT_EQ(name("attachment; filename=\"M\xc3\xa4rz.pdf\""), "März.pdf") << "raw UTF-8";
  EXPECT_EQ(name("attachment; filename*=broken%ZZ.pdf"), "broken%ZZ.pdf");
  EXPECT_EQ(name("attachment"), "");
  EXPECT_EQ(read("Content-Type: application/pdf; name=\"only here.pdf\"\r\n\r\nx")->front().head.file_name, "only here.pdf");
}

TEST(MimeReader, AnEncodingThatNobodyKnowsIsTold) {
  const auto part = [](std::string_view encoding) { return read("Content-Type: application/pdf\r\nContent-Transfer-Encoding: " + std::string(encoding) + "\r\n\r\nJVBERg==")->front(); };
  for (const auto* encoding : {"base64", "BASE64", "base64 (made by the scanner)", "(a (nested\\) one)) base64", "base64; x=y", "\"base64\""})
    EXPECT_EQ(part(encoding).octets, "%PDF") << encoding;
  for (const auto* encoding : {"7bit", "8BIT", "8 bit", "binary", "", "(nothing)"}) {
    EXPECT_EQ(part(encoding).octets, "JVBERg==") << encoding;
    EXPECT_TRUE(part(encoding).head.encoding_known) << encoding;
  }
  for (const auto* encoding : {"x-uuencode", "uuencode", "base85", "gzip", "(x base64", "; base64"}) EXPECT_FALSE(part(encoding).head.encoding_known) << encoding;
}

// A type is stored and sent on: octets that are no text would be one thing in one store and another in the next.
TEST(MimeReader, P6_Attack_ATypeIsTwoNamesOrNone) {
  const auto type = [](std::string_view field) { return read("Content-Type: " + std::string(field) + "\r\n\r\nx")->front().head.type; };
  EXPECT_EQ(type("Application/PDF; name=a.pdf"), "application/pdf");
  EXPECT_EQ(type("application/p\xff" "df; name=a.pdf"), "application/octet-stream");
  EXPECT_EQ(type("application/\xc3\xbc"), "application/octet-stream") << "UTF-8, but no name of a type";
  EXPECT_EQ(type("application/pdf name=a.pdf"), "application/octet-stream");
  EXPECT_EQ(type("text/\xff"), "text/plain");
  EXPECT_EQ(type("text"), "text/plain") << "as old senders write";
  EXPECT_EQ(type("multipart/mixed\xff"), "text/plain");
}

TEST(MediaType, IsReadOutOfItsField) {
  EXPECT_EQ(media_type_of(" Image/TIFF ;x=y"), "image/tiff");
  EXPECT_EQ(media_type_of("application/vnd.oasis.opendocument.text"), "application/vnd.oasis.opendocument.text");
  EXPECT_EQ(media_type_of(""), "");
  EXPECT_EQ(media_type_of("; charset=utf-8"), "");
  for (const std::string field : {"pdf", "/pdf", "a/", "a/b/c", "a/b c", "\"a\"/b", "*/*", ".a/b"}) EXPECT_EQ(media_type_of(field), kUnknownMediaType) << field;
  EXPECT_EQ(media_type_of("a/" + std::string(128, 'b')), kUnknownMediaType);
}

TEST(MailAddress, P6_Attack_AnAddressIsText) {
  EXPECT_TRUE(is_address("m\xc3\xbcller@x.example"));
  EXPECT_FALSE(is_address("m\xfcller@x.example"));
  EXPECT_FALSE(is_address("ada@b\xfcro.example"));
  EXPECT_TRUE(parse_mailboxes("M <m\xfcller@x.example>").empty());
}

TEST(EncodedText, WordsAreDecodedAndMade) {
  EXPECT_EQ(decode_words("=?utf-8?Q?a=C3?= =?utf-8?Q?=A4?= b"), "aä b") << "a character cut between two words";
  EXPECT_EQ(decode_words("=?iso-8859-1*de?q?M=E4rz?="), "März");
  EXPECT_EQ(decode_words("=?nonsense"), "=?nonsense");
  EXPECT_EQ(decode_words("=?windows-1252?Q?=80?="), "€");
  EXPECT_EQ(decode_words("=?utf-8//TRANSLIT?B?YQ==?="), "a") << "no conversion option reaches the C library";
  EXPECT_EQ(encode_words("plain text"), "plain text");
  EXPECT_EQ(encode_words("a\r\nBcc: x@y"), "a  Bcc: x@y") << "Attack: a line end in a subject";
  const std::string umlauts =
      "Ä very löng sübject with ümlauts, so that it takes möre than öne word of the standard's size: äöüß";
  EXPECT_EQ(decode_words(encode_words(umlauts)), umlauts);
  EXPECT_EQ(decode_words(encode_words("=?x?Q?y?=")), "=?x?Q?y?=");
  EXPECT_EQ(to_utf8("\x83\x58", "shift_jis"), "ス");
  EXPECT_EQ(to_utf8("a\xff", "utf-8"), "a\xEF\xBF\xBD");
  EXPECT_FALSE(is_utf8("\xc0\xaf")) << "overlong";
  EXPECT_FALSE(is_utf8("\xed\xa0\x80")) << "a surrogate";
}

// A field of 128 KiB may change its charset nine thousand times, and a mail may have a thousand such fields.
TEST(EncodedText, Attack_ACharsetIsLookedForOnceAndFewAre) {
  Charsets charsets;
  std::string field;
  std::string text;
  for (int i = 0; i < 500; ++i) {
    field += "=?koi8-r?Q?a?==?ibm850?Q?b?=";
    text += "ab";
  }
  EXPECT_EQ(decode_words(field, charsets), text);
  EXPECT_EQ(charsets.looked_for(), 2U);
  field.clear();
  for (int i = 0; i < 100; ++i) field += "=?nobody-" + std::to_string(i) + "?Q?=E4?=";
  EXPECT_EQ(decode_words(field, charsets).size(), 200U) << "taken for windows-1252";
  EXPECT_EQ(charsets.looked_for(), Charsets::kMost);
  EXPECT_EQ(charsets.to_utf8("\xc1", "koi8-r"), "а") << "those known go on";
}

TEST(EncodedText, WhatOneTextLeavesOpenIsNotTheNextOnes) {
  Charsets charsets;
  (void)charsets.to_utf8("\x1b$B$", "iso-2022-jp");
  EXPECT_EQ(charsets.to_utf8("abc", "iso-2022-jp"), "abc");
}

}  // namespace
}  // namespace latchkey::wire
