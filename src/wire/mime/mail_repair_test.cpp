#include "wire/mime/mail_repair.h"

#include <gtest/gtest.h>

#include "wire/mime/mail_builder.h"
#include "wire/mime/mime_reader.h"

namespace latchkey::wire {
namespace {

const MailIdentity kIdentity{.address = "ada@office.example",
                             .aliases = {"scans@office.example"},
                             .date = "Sat, 28 Nov 2026 03:40:00 +0000",
                             .message_id = "<1@latchkey.example>"};

struct Repaired {
  std::string message;
  MailFacts facts;
  // The lines of the header, unfolded.
  [[nodiscard]] std::vector<HeaderField> fields() const {
    HeaderGatherer gatherer;
    std::size_t at = 0;
    for (;;) {
      const auto end = message.find("\r\n", at);
      if (end == std::string::npos || gatherer.add(message.substr(at, end - at)) != HeaderGatherer::Verdict::taken) break;
      at = end + 2;
    }
    return gatherer.take();
  }
  [[nodiscard]] std::string value(std::string_view name) const {
    const auto all = fields();
    const auto* field = find_field(all, name);
    return field == nullptr ? "(none)" : field->value;
  }
  [[nodiscard]] std::string body() const { return message.substr(message.find("\r\n\r\n") + 4); }
};

Repaired repair(std::string_view message, std::size_t piece = 1 << 20) {
  MailRepair works(kIdentity);
  Repaired repaired;
  while (!message.empty()) {
    repaired.message += works.feed(message.substr(0, piece)).value();
    message.remove_prefix(std::min(piece, message.size()));
  }
  repaired.message += works.finish().value();
  repaired.facts = works.facts();
  return repaired;
}

TEST(MailRepair, G2_FromIsTheAccountsOwnAddress) {
  const auto mail = repair("From: \"MFP 3rd floor\" <mfp@office.example>\r\nTo: bob@x.example\r\n\r\nHi\r\n");
  EXPECT_EQ(mail.value("From"), "MFP 3rd floor <ada@office.example>") << mail.message;
  EXPECT_EQ(mail.value("Reply-To"), "MFP 3rd floor <mfp@office.example>");
  EXPECT_EQ(mail.facts.from, "ada@office.example");
  EXPECT_EQ(mail.body(), "Hi\r\n");
}

TEST(MailRepair, G2_AListedAliasMayStandInFrom) {
  EXPECT_EQ(repair("From: Scans <SCANS@office.example>\n\n").value("From"), "Scans <scans@office.example>");
  EXPECT_EQ(repair("From: Scans <SCANS@office.example>\n\n").value("Reply-To"), "(none)");
}

TEST(MailRepair, G2_AForeignFromBecomesNoReplyTo) {
  const auto mail = repair("From: x@elsewhere.example\n\n");
  EXPECT_EQ(mail.value("From"), "ada@office.example");
  EXPECT_EQ(mail.value("Reply-To"), "(none)");
}

TEST(MailRepair, G2_WhatADeviceNamedAsReplyToStays) {
  EXPECT_EQ(repair("From: mfp@office.example\nReply-To: desk@office.example\n\n").value("Reply-To"), "desk@office.example");
}

TEST(MailRepair, Attack_SecondFromSenderAndWhatServersNote) {
  const auto mail = repair(
      "From: ada@office.example\nFrom: ceo@office.example\nFrom : ceo@office.example\nSENDER: "
      "ceo@office.example\nReturn-Path: <>\n"
      "Resent-From: ceo@office.example\nresent-to: x@y.example\nX-MS-Exchange-Organization-AuthAs: Internal\nX-Mailer: "
      "MFP\n\nx");
  EXPECT_EQ(mail.message.find("ceo@"), std::string::npos) << mail.message;
  EXPECT_EQ(mail.message.find("Exchange"), std::string::npos);
  EXPECT_EQ(mail.value("Return-Path"), "(none)");
  EXPECT_EQ(mail.value("X-Mailer"), "MFP");
}

TEST(MailRepair, Attack_ADisplayNameThatPosesAsAnAddress) {
  EXPECT_EQ(repair("From: \"ceo@bank.example\" <mfp@office.example>\n\n").value("From"), "ada@office.example");
}

TEST(MailRepair, Attack_AFieldHiddenBehindACarriageReturn) {
  const auto mail = repair("From: a@office.example\r\nSubject: x\rBcc: spy@x.example\r\n\r\n");
  EXPECT_EQ(mail.value("Subject"), "x Bcc: spy@x.example");
  const auto nul = repair(std::string_view("Subject: a\0b\r\n\r\n", 16));
  EXPECT_EQ(nul.value("Subject"), "a b");
}

TEST(MailRepair, D6_BccOnly) {
  const auto mail = repair("From: mfp@office.example\r\nBcc: bob@x.example, \"C, D\" <cd@x.example>\r\nSubject: s\r\n\r\n");
  EXPECT_EQ(mail.facts.recipients, (std::vector<std::string>{"bob@x.example", "cd@x.example"}));
  EXPECT_EQ(mail.value("Bcc"), "(none)");
  EXPECT_EQ(mail.value("To"), "undisclosed-recipients:;");
}

TEST(MailRepair, RecipientsAreReadOnceEach) {
  const auto mail =
      repair("To: a@x.example; B <b@x.example>\nTo: c@x.example\nCc: A@X.example (again)\nBcc: team: d@x.example;\n\n");
  EXPECT_EQ(mail.facts.recipients, (std::vector<std::string>{"a@x.example", "b@x.example", "c@x.example", "d@x.example"}));
  EXPECT_EQ(mail.value("To"), "a@x.example, B <b@x.example>, c@x.example") << "one To (RFC 5322 section 3.6)";
}

TEST(MailRepair, D6_MissingDateAndMessageId) {
  const auto mail = repair("Subject: s\nDate:\nMessage-ID: none\n\n");
  EXPECT_EQ(mail.value("Date"), kIdentity.date);
  EXPECT_EQ(mail.value("Message-ID"), kIdentity.message_id);
  const auto kept = repair("Date: Fri, 27 Nov 2026 10:00:00 +0100\nMessage-Id: <a@b>\n\n");
  EXPECT_EQ(kept.value("Date"), "Fri, 27 Nov 2026 10:00:00 +0100");
  EXPECT_EQ(kept.value("Message-ID"), "<a@b>");
}

TEST(MailRepair, D6_AFoldedFromWithoutASpace) {
  EXPECT_EQ(repair("From:\r\nmfp@office.example\r\nSubject:s\r\n\r\n").value("Reply-To"), "mfp@office.example");
  EXPECT_EQ(repair("From:\r\n mfp@office.example\r\n\r\n").value("Reply-To"), "mfp@office.example");
  EXPECT_EQ(repair("From:mfp@office.example\r\n\r\n").value("Reply-To"), "mfp@office.example");
  EXPECT_EQ(repair("To: a@x.example,\r\nb@x.example\r\n\r\n").facts.recipients.size(), 2U);
}

TEST(MailRepair, D6_EightBitHeadersBecomeEncodedWords) {
  const auto mail = repair(
      "Subject: Scan f\xfc"
      "r B\xfcro\r\nFrom: B\xc3\xbc"
      "ro <mfp@office.example>\r\nContent-Type: application/pdf; name=\"M\xe4"
      "rz.pdf\"\r\n\r\n\xe4");
  EXPECT_EQ(mail.facts.subject, "Scan für Büro");
  EXPECT_EQ(mail.value("Subject"), "=?UTF-8?B?U2NhbiBmw7xyIELDvHJv?=");
  EXPECT_EQ(mail.value("From"), "=?UTF-8?B?QsO8cm8=?= <ada@office.example>");
  EXPECT_EQ(mail.value("MIME-Version"), "1.0");
  MimeReader reader;
  const auto events = reader.feed(mail.message);
  EXPECT_EQ(std::get<PartBegins>(events->front()).head.file_name, "März.pdf");
  EXPECT_EQ(mail.body(), "\xe4") << "the body is the sender's";
}

TEST(MailRepair, D6_LineEndsOfEveryKindCutAnywhere) {
  const std::string_view message = "Subject: s\n\na\nb\r\nc\rd\r\r\ne\r\n\r\nf";
  for (const std::size_t piece : {1, 2, 3, 100}) {
    EXPECT_EQ(repair(message, piece).body(), "a\r\nb\r\nc\r\nd\r\ne\r\n\r\nf") << piece;
  }
}

TEST(MailRepair, Attack_ABodyOfCarriageReturnsIsNotKeptBack) {
  MailRepair works(kIdentity);
  ASSERT_TRUE(works.feed("Subject: s\r\n\r\n"));
  std::size_t out = 0;
  for (int i = 0; i < 100; ++i) {
    const auto piece = works.feed(std::string(10'000, '\r')).value();
    EXPECT_LE(piece.size(), 20'000U);
    out += piece.size();
  }
  out += works.feed("\nx").value().size();
  EXPECT_EQ(out, 2 * (1'000'000 - 2) + 3U) << "two of them belong to the line feed";
}

TEST(MailRepair, ABodyWithoutHeaderLosesNothing) {
  EXPECT_EQ(repair("Hello world\r\nSender: x@y.example\r\n").body(), "Hello world\r\nSender: x@y.example\r\n");
  EXPECT_EQ(repair("Subject: s\r\nthis is text\r\n").body(), "this is text\r\n");
  EXPECT_EQ(repair("Subject: s").value("Subject"), "s");
}

TEST(MailRepair, LongFieldsAreFoldedAndSayTheSame) {
  std::string subject;
  for (int word = 0; word < 200; ++word) subject += (word == 0 ? "" : " ") + std::string("word") + std::to_string(word);
  const auto mail = repair("Subject: " + subject + "\r\nX-Endless: " + std::string(5000, 'x') + "\r\n\r\n");
  EXPECT_EQ(mail.value("Subject"), subject);
  std::size_t longest = 0;
  for (std::size_t at = 0; at < mail.message.size();) {
    const auto end = mail.message.find("\r\n", at);
    longest = std::max(longest, end - at);
    at = end + 2;
  }
  EXPECT_LE(longest, 998U);
}

TEST(MailRepair, Attack_AHeaderWithoutEnd) {
  MailRepair works(kIdentity, 1000);
  Result<std::string> out = works.feed(std::string(990, 'x'));
  ASSERT_TRUE(out);
  out = works.feed("yyyyyyyyyyyyyyyyyyyy");
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().reason, "mail_header_too_long");
}

TEST(MailAddress, WhatIsOne) {
  for (const auto* good : {"a@b.example", "a+b/c@x-y.example", "ä@bücher.example"}) EXPECT_TRUE(is_address(good)) << good;
  for (const auto* bad : {"", "a", "@b", "a@", "a b@c", "a@b@c", "a@b\r\nRCPT TO:<x@y>", "<a@b>", "a@b..c", "a@b.", "a,b@c"})
    EXPECT_FALSE(is_address(bad)) << bad;
  EXPECT_EQ(parse_mailboxes("<@relay.example:a@b.example>").front().address, "a@b.example");
  EXPECT_EQ(parse_mailboxes("a@b.example (Ada \\(work\\))").front().name, "Ada (work)");
  EXPECT_EQ(parse_mailboxes("nobody, \"unfinished").size(), 0U);
  EXPECT_EQ(write_mailbox({.name = "a\r\nBcc: x", .address = "a@b"}), "\"a  Bcc: x\" <a@b>");
}

TEST(MailBuilder, WhatItMakesIsReadBackTheSame) {
  std::string document;
  for (int octet = 0; octet < 70'000; ++octet) document += static_cast<char>(octet * 7 % 256);
  MailBuilder builder({.from = {.name = "Ada Ü", .address = "ada@office.example"},
                       .to = {{.name = "Bob, jr.", .address = "bob@x.example"}},
                       .subject = "Prüfung\r\nBcc: spy@x.example",
                       .text = "Grüße \n.\nFrom here = there",
                       .date = mail_date(1'795'837'200),
                       .message_id = "<2@latchkey.example>",
                       .boundary = "b0undary"});
  std::string message = builder.begin();
  message += builder.begin_file("März \"1\".pdf", "application/pdf");
  for (std::size_t at = 0; at < document.size(); at += 1000) {
    message += builder.file_octets(base::as_bytes(std::string_view(document).substr(at, 1000)));
  }
  message += builder.begin_file("b.bin", "text/html\r\nX: y");
  message += builder.end();
  EXPECT_EQ(message.find("\r\nBcc"), std::string::npos) << "Attack: a line end in a field";
  EXPECT_EQ(message.find("\r\nX:"), std::string::npos);

  MimeReader reader;
  auto events = reader.feed(message).value();
  for (auto& event : reader.finish().value()) events.push_back(std::move(event));
  std::vector<PartHead> heads;
  std::vector<std::string> bodies;
  for (const auto& event : events) {
    if (const auto* begins = std::get_if<PartBegins>(&event)) {
      heads.push_back(begins->head);
      bodies.emplace_back();
    }
    if (const auto* octets = std::get_if<PartOctets>(&event)) bodies.back() += base::as_text(octets->octets);
    if (const auto* ends = std::get_if<PartEnds>(&event)) EXPECT_EQ(ends->ending, PartEnding::whole);
  }
  ASSERT_EQ(heads.size(), 3U);
  EXPECT_EQ(bodies[0], "Grüße \r\n.\r\nFrom here = there");
  EXPECT_EQ(heads[1].file_name, "März \"1\".pdf");
  EXPECT_EQ(bodies[1], document);
  EXPECT_EQ(heads[2].type, "application/octet-stream");
  EXPECT_EQ(bodies[2], "");
  EXPECT_EQ(mail_date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
}

}  // namespace
}  // namespace latchkey::wire
