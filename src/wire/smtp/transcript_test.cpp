// What a transcript shows, and above all what it does not.
#include "wire/smtp/transcript.h"

#include <gtest/gtest.h>

#include "wire/smtp/session.h"

namespace latchkey::wire::smtp {
namespace {

std::string told(const std::vector<TranscriptLine>& lines) {
  std::string out;
  for (const auto& line : lines) {
    out += line.speaker == TranscriptLine::Speaker::client   ? "C "
           : line.speaker == TranscriptLine::Speaker::server ? "S "
                                                             : "- ";
    out += line.text + "\n";
  }
  return out;
}

// Of a conversation with a server that lets nobody in, and takes everything.
std::string transcript_of(std::string_view octets) {
  Session session({.host = "mail.example", .starttls = true, .auth = true, .size_bytes_max = 1000});
  session.feed(octets);
  while (auto action = session.next()) {
    if (std::holds_alternative<Authenticate>(*action))
      session.answer({535, "5.7.8", "Wrong"});
    else if (std::holds_alternative<BeginData>(*action))
      session.answer({354, "", "Go on"});
    else if (std::holds_alternative<StartTls>(*action))
      session.tls_started();
    else if (std::holds_alternative<Close>(*action))
      break;
    else if (!std::holds_alternative<DataPiece>(*action) && !std::holds_alternative<ForgetMail>(*action))
      session.answer({250, "2.0.0", "Go on"});
  }
  return told(session.transcript().lines());
}

TEST(SmtpTranscript, TellsWhatWasSaidInItsOrder) {
  EXPECT_EQ(
      transcript_of(
          "helo copier\r\nMAIL FROM:<a@b> SIZE=9\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: private\r\n\r\ntext\r\n.\r\nQUIT\r\n"),
      "S 220 mail.example ESMTP\nC HELO copier\nS 250 mail.example\nC MAIL FROM:<a@b> SIZE=9\nS 250 2.0.0 Go on\n"
      "C RCPT TO:<c@d>\nS 250 2.0.0 Go on\nC DATA\nS 354 Go on\n- The mail, 26 octets\nS 250 2.0.0 Go on\nC QUIT\nS 221 "
      "2.0.0 Goodbye\n");
}

TEST(SmtpTranscript, NoSecretIsInItWhereverADeviceSaysIt) {
  // "secret" and its base64, in every place where devices have been seen to put it.
  for (const auto* said : {"AUTH PLAIN AHByaW50ZXIAc2VjcmV0\r\n",
                           "AUTH PLAIN\r\nAHByaW50ZXIAc2VjcmV0\r\n",
                           "AUTH LOGIN\r\ncHJpbnRlcg==\r\nc2VjcmV0\r\n",
                           "AUTH LOGIN c2VjcmV0\r\nc2VjcmV0\r\n",
                           "AUTH c2VjcmV0\r\n",
                           "AUTH NTLM c2VjcmV0\r\n",
                           "AUTH CRAM-MD5\r\nc2VjcmV0\r\n",
                           "c2VjcmV0\r\n",
                           "secret\r\n",
                           "PASS secret\r\n",
                           "NOOP secret\r\n",
                           "RSET secret\r\n",
                           "DATA secret\r\n",
                           "STARTTLS secret\r\n",
                           "VRFY secret\r\n",
                           "QUIT secret\r\n",
                           "AUTH LOGIN\r\nc2VjcmV0\nc2VjcmV0\r\n",
                           "AUTH XOAUTH2 c2VjcmV0\r\n",
                           "HELP secret\r\n",
                           "EXPN secret\r\n"}) {
    const auto all = transcript_of(std::string("EHLO x\r\n") + said);
    EXPECT_EQ(all.find("secret"), std::string::npos) << all;
    EXPECT_EQ(all.find("c2VjcmV0"), std::string::npos) << all;
    EXPECT_EQ(all.find("AHByaW"), std::string::npos) << all;
    EXPECT_NE(all.find("\nC "), std::string::npos) << "something was said: " << all;
  }
  EXPECT_NE(transcript_of("AUTH CRAM-MD5\r\n").find("C AUTH CRAM-MD5\n"), std::string::npos) << "what it tried is of use";
}

TEST(SmtpTranscript, IsBoundedAndHoldsPrintableTextAlone) {
  Transcript transcript;
  for (int i = 0; i < 1000; ++i) transcript.note("note " + std::to_string(i));
  const auto lines = transcript.lines();
  ASSERT_EQ(lines.size(), 121U);
  EXPECT_EQ(lines.front().text, "note 0");
  EXPECT_EQ(lines[40].text, "880 lines are left out here");
  EXPECT_EQ(lines.back().text, "note 999");
  Transcript odd;
  odd.client({Verb::helo, "\xe4\x1b[2J" + std::string(5000, 'x')}, 5005);
  ASSERT_EQ(odd.lines().size(), 1U);
  EXPECT_EQ(odd.lines().front().text, "HELO ??[2J" + std::string(190, 'x') + "...");
}

}  // namespace
}  // namespace latchkey::wire::smtp
