// The device zoo (SCENARIOS D6) as recorded dialogues, replayed octet by octet, and the attacks of D7.
#include "wire/smtp/session.h"

#include <gtest/gtest.h>

namespace latchkey::wire::smtp {
namespace {

// A server that takes everything: what was said, and what came of it.
struct Replay {
  explicit Replay(SessionSettings settings = {.host = "mail.example", .starttls = true, .auth = true, .size_bytes_max = 1000})
      : session(std::move(settings)) {
    said = session.take_output();
  }

  // In pieces of `piece` octets.
  Replay& send(std::string_view octets, std::size_t piece = 1'000'000) {
    while (!octets.empty()) {
      session.feed(octets.substr(0, piece));
      octets.remove_prefix(std::min(piece, octets.size()));
      do perform();
      while (session.is_full());
    }
    return *this;
  }

  void perform() {
    while (auto action = session.next()) {
      if (auto* sign_in = std::get_if<Authenticate>(&*action)) {
        signed_in.push_back(sign_in->username + "/" + std::string(sign_in->secret.reveal_text()) + (sign_in->in_clear ? " in clear" : ""));
        if (sign_in->in_clear) session.answer({538, "5.7.11", "in clear"});
        else session.answer({235, "2.7.0", "ok"});
      } else if (auto* mail = std::get_if<BeginMail>(&*action)) {
        from.push_back(mail->mail.address);
        session.answer({250, "2.1.0", "ok"});
      } else if (auto* to = std::get_if<AddRecipient>(&*action)) {
        recipients.push_back(to->address);
        if (to->address.starts_with("gone")) session.answer({550, "5.1.1", "gone"});
        else session.answer({250, "2.1.5", "ok"});
      } else if (std::holds_alternative<BeginData>(*action)) {
        session.answer({354, "", "go"});
      } else if (auto* data = std::get_if<DataPiece>(&*action)) {
        coming += data->octets;
      } else if (std::holds_alternative<EndData>(*action)) {
        mails.push_back(std::exchange(coming, {}));
        session.answer({250, "2.0.0", "ok"});
      } else if (std::holds_alternative<StartTls>(*action)) {
        (void)session.take_output();
        session.tls_started();
      } else if (std::holds_alternative<AskSize>(*action)) {
        ++sizes_asked;
        coming.clear();
        session.announce_size(700);
      } else if (std::holds_alternative<Close>(*action)) {
        closed = true;
      }
    }
    said += session.take_output();
  }

  std::string take_said() { return std::exchange(said, {}); }

  Session session;
  std::string said;
  std::vector<std::string> signed_in, from, recipients, mails;
  std::string coming;
  int sizes_asked = 0;
  bool closed = false;
};

constexpr std::string_view kBegin = "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

TEST(SmtpSession, AnnouncesTheSizeOfWhoIsKnown) {
  Replay replay;
  replay.send("EHLO x\r\n");
  EXPECT_EQ(replay.sizes_asked, 0);
  EXPECT_NE(replay.take_said().find("250-SIZE 1000\r\n"), std::string::npos);
  replay.session.ask_size();
  replay.send("HELO x\r\nEHLO x\r\nMAIL FROM:<a@b> SIZE=900\r\nEHLO x\r\nMAIL FROM:<a@b> SIZE=1001\r\n");
  EXPECT_EQ(replay.sizes_asked, 2);
  const auto said = replay.take_said();
  EXPECT_NE(said.find("250-SIZE 700\r\n"), std::string::npos) << said;
  EXPECT_EQ(said.find("250-SIZE 1000\r\n"), std::string::npos) << said;
  EXPECT_EQ(replay.from.size(), 1U) << "what MAIL states is held against the server's limit, and later against the destination's";
  EXPECT_TRUE(said.ends_with("552 5.3.4 The mail is larger than this server takes (1000 bytes)\r\n")) << said;
  replay.send("STARTTLS\r\n").send("EHLO x\r\n");
  EXPECT_EQ(replay.sizes_asked, 2) << "nobody is known any more";
  EXPECT_NE(replay.take_said().find("250-SIZE 1000\r\n"), std::string::npos);

  Replay small({.host = "mail.example", .size_bytes_max = 500});
  small.session.ask_size();
  small.send("EHLO x\r\n");
  EXPECT_NE(small.take_said().find("250-SIZE 500\r\n"), std::string::npos) << "never more than the server's";
}

TEST(SmtpSession, GreetsAndOffersWhatItKnows) {
  Replay replay;
  EXPECT_EQ(replay.take_said(), "220 mail.example ESMTP\r\n");
  replay.send("EHLO copier\r\n");
  EXPECT_EQ(replay.take_said(),
            "250-mail.example\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-STARTTLS\r\n"
            "250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN LOGIN\r\n250 ENHANCEDSTATUSCODES\r\n");
}

TEST(SmtpSession, D7_RepliesLeaveBeforeMoreIsDone) {
  Session session({.host = "mail.example", .size_bytes_max = 1000});
  std::string flood;
  for (int i = 0; i < 10'000; ++i) flood += "EHLO\r\n";
  session.feed(flood);
  std::size_t replies = 0, said = session.take_output().size();
  do {
    EXPECT_FALSE(session.next());
    const auto output = session.take_output();
    said += output.size();
    EXPECT_LE(output.size(), 17'000U);
    ++replies;
  } while (session.is_full());
  EXPECT_GT(replies, 50U);
  EXPECT_GT(said, 1'000'000U) << "every one of them was answered";
}

TEST(SmtpSession, D7_ARefusedChunkIsReadOnlyWhileItIsShort) {
  Replay replay;
  replay.send("EHLO x\r\nBDAT 5 LAST\r\nRSET!NOOP\r\n");
  EXPECT_FALSE(replay.closed);
  EXPECT_TRUE(replay.take_said().ends_with("503 5.5.1 MAIL FROM and RCPT TO first\r\n250 2.0.0 Nothing done\r\n"));
  replay.send("BDAT 18446744073709551615 LAST\r\n");
  EXPECT_TRUE(replay.closed);
  EXPECT_TRUE(replay.take_said().contains("421 "));
}

TEST(SmtpSession, T7_ASecretShownInClearIsToldAndRefused) {
  Replay replay({.host = "mail.example", .starttls = true, .auth = false, .size_bytes_max = 1000});
  replay.send("EHLO x\r\nAUTH PLAIN AHNjYW4AMTIzNDU2\r\n");
  EXPECT_EQ(replay.signed_in, std::vector<std::string>{"scan/123456 in clear"});
  EXPECT_TRUE(replay.take_said().ends_with("538 5.7.11 in clear\r\n"));
  replay.send("AUTH PLAIN\r\nAUTH LOGIN\r\nAUTH PLAIN x\r\n");
  EXPECT_EQ(replay.signed_in.size(), 1U) << "nothing that could be read was shown";
  EXPECT_TRUE(replay.take_said().contains("538 5.7.11 Begin TLS first"));
}

TEST(SmtpSession, D6_AuthLoginPromptsByteForByte) {
  Replay replay;
  replay.send("HELO COPIER-2\r\n");
  (void)replay.take_said();
  replay.send("AUTH LOGIN\r\n");
  EXPECT_EQ(replay.take_said(), "334 VXNlcm5hbWU6\r\n");
  replay.send("cHJpbnRlcg==\r\n");
  EXPECT_EQ(replay.take_said(), "334 UGFzc3dvcmQ6\r\n");
  replay.send("c2VjcmV0\r\n");
  EXPECT_EQ(replay.take_said(), "235 2.7.0 ok\r\n");
  EXPECT_EQ(replay.signed_in, std::vector<std::string>{"printer/secret"});
}

TEST(SmtpSession, D6_AuthLoginWithInlineUserName) {
  Replay replay;
  (void)replay.take_said();
  replay.send("auth login cHJpbnRlcg==\r\n");
  EXPECT_EQ(replay.take_said(), "334 UGFzc3dvcmQ6\r\n");
  replay.send("c2VjcmV0\r\n");
  EXPECT_EQ(replay.signed_in, std::vector<std::string>{"printer/secret"});
}

TEST(SmtpSession, D6_AuthPlainWithAndWithoutInitialResponse) {
  Replay inline_response;
  inline_response.send("AUTH PLAIN AHByaW50ZXIAc2VjcmV0\r\n");
  EXPECT_EQ(inline_response.signed_in, std::vector<std::string>{"printer/secret"});
  Replay asked;
  (void)asked.take_said();
  asked.send("AUTH PLAIN\r\n");
  EXPECT_EQ(asked.take_said(), "334 \r\n");
  asked.send("AHByaW50ZXIAc2VjcmV0\r\n");
  EXPECT_EQ(asked.signed_in, std::vector<std::string>{"printer/secret"});
  Replay cancelled;
  (void)cancelled.take_said();
  cancelled.send("AUTH PLAIN\r\n*\r\n");
  EXPECT_EQ(cancelled.take_said(), "334 \r\n501 5.7.0 Not signed in, as you wish\r\n");
  EXPECT_TRUE(cancelled.signed_in.empty());
}

TEST(SmtpSession, D6_AuthLoginWithAnEmptyInitialResponseIsAskedForTheName) {
  for (const auto* command : {"AUTH LOGIN =\r\n", "AUTH LOGIN \r\n", "AUTH LOGIN  =\r\n"}) {
    Replay replay;
    (void)replay.take_said();
    replay.send(command);
    EXPECT_EQ(replay.take_said(), "334 VXNlcm5hbWU6\r\n") << command;
  }
}

TEST(SmtpSession, D6_NamesOfAllKindsAndNone) {
  for (const auto* hello : {"HELO COPIER\r\n", "HELO\r\n", "EHLO [192.0.2.7]\r\n", "ehlo \r\n", "EHLO a_b c\r\n"}) {
    Replay replay;
    replay.send(hello).send("MAIL FROM: <a@b>\r\n");
    EXPECT_EQ(replay.from, std::vector<std::string>{"a@b"}) << hello;
  }
}

TEST(SmtpSession, D6_PathsWithoutBracketsAndWithRoutes) {
  Replay replay;
  replay.send("EHLO x\r\nMAIL FROM:a@b SIZE=10 BODY=8BITMIME\r\nRCPT TO:<@relay:c@d>\r\nRCPT TO: e@f\r\n");
  EXPECT_EQ(replay.from, std::vector<std::string>{"a@b"});
  EXPECT_EQ(replay.recipients, (std::vector<std::string>{"c@d", "e@f"}));
}

TEST(SmtpSession, D6_BareLineFeedsInDataAreMended) {
  Replay replay;
  replay.send(kBegin).send("DATA\r\nSubject: x\n\nline one\nline two\r\n.\r\n");
  EXPECT_EQ(replay.mails, std::vector<std::string>{"Subject: x\r\n\r\nline one\r\nline two\r\n"});
}

TEST(SmtpSession, DotsAreUnstuffedWhereverThePiecesEnd) {
  for (const std::size_t piece : {1UL, 2UL, 3UL, 7UL, 1000UL}) {
    Replay replay;
    replay.send(kBegin).send("DATA\r\n", piece).send("..a\r\n.b\r\nc.\r\n...\r\n\r\n.\r\nQUIT\r\n", piece);
    EXPECT_EQ(replay.mails, std::vector<std::string>{".a\r\nb\r\nc.\r\n..\r\n\r\n"}) << piece;
    EXPECT_TRUE(replay.closed);
  }
}

TEST(SmtpSession, D7_SmugglingNothingButCrLfDotCrLfEndsTheData) {
  for (const auto* end : {"\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\r\n\0.\r\n"}) {
    Replay replay;
    replay.send(kBegin).send("DATA\r\nfirst").send(end).send("MAIL FROM:<evil@b>\r\nRCPT TO:<x@y>\r\nDATA\r\nsecond\r\n.\r\n");
    ASSERT_EQ(replay.mails.size(), 1U) << end;
    EXPECT_NE(replay.mails.front().find("evil@b"), std::string::npos) << "it is text of the first mail";
    EXPECT_EQ(replay.from, std::vector<std::string>{"a@b"});
  }
}

TEST(SmtpSession, D7_StarttlsInjectionForgetsWhatWasPipelined) {
  Replay replay;
  replay.send("EHLO x\r\nSTARTTLS\r\nMAIL FROM:<evil@b>\r\nRCPT TO:<c@d>\r\n");
  EXPECT_TRUE(replay.from.empty());
  (void)replay.take_said();
  replay.send("MAIL FROM:<a@b>\r\n");
  EXPECT_EQ(replay.take_said(), "503 5.5.1 Say EHLO or HELO first\r\n") << "what was said in clear does not count either";
  replay.send("EHLO x\r\n");
  EXPECT_EQ(replay.take_said().find("STARTTLS"), std::string::npos);
}

TEST(SmtpSession, D7_BareLineEndsInCommandsAreErrors) {
  Replay replay;
  (void)replay.take_said();
  replay.send("EHLO x\nMAIL FROM:<a@b>\r\nEHLO y\rMAIL FROM:<c@d>\r\n");
  EXPECT_TRUE(replay.from.empty());
  EXPECT_EQ(replay.take_said().find("250"), std::string::npos);
}

TEST(SmtpSession, EndlessLinesAndTooManyErrorsEndIt) {
  Replay endless;
  endless.send(std::string(100'000, 'x'), 4096);
  EXPECT_TRUE(endless.closed);
  Replay wrong;
  for (int i = 0; i < 9; ++i) wrong.send("WHAT\r\n");
  EXPECT_FALSE(wrong.closed);
  wrong.send("WHAT\r\n");
  EXPECT_TRUE(wrong.closed);
  EXPECT_TRUE(wrong.take_said().ends_with("421 4.7.0 Too many errors\r\n"));
}

TEST(SmtpSession, LongCommandLinesAreRefusedWhole) {
  Replay replay;
  (void)replay.take_said();
  replay.send("NOOP " + std::string(2000, 'x') + "\r\nNOOP\r\n");
  EXPECT_EQ(replay.take_said(), "500 5.5.2 The line is too long\r\n250 2.0.0 Nothing done\r\n");
}

TEST(SmtpSession, D3_SizeIsRefusedAtMailFrom) {
  Replay replay;
  replay.send("EHLO x\r\n");
  (void)replay.take_said();
  replay.send("MAIL FROM:<a@b> SIZE=1001\r\n");
  EXPECT_TRUE(replay.take_said().starts_with("552 5.3.4 "));
  EXPECT_TRUE(replay.from.empty());
}

TEST(SmtpSession, ChunksAreTakenAsTheyAre) {
  Replay replay;
  replay.send(kBegin).send("BDAT 4\r\na\r\n.BDAT 5 LAST\r\n\r\nxyzQUIT\r\n", 1);
  EXPECT_EQ(replay.mails, std::vector<std::string>{"a\r\n.\r\nxyz"});
  EXPECT_TRUE(replay.closed);
}

TEST(SmtpSession, ChunksThatNobodyAskedForAreReadAndRefused) {
  Replay replay;
  replay.send("EHLO x\r\n");
  (void)replay.take_said();
  replay.send("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
  EXPECT_EQ(replay.take_said(), "503 5.5.1 MAIL FROM and RCPT TO first\r\n250 2.0.0 Nothing done\r\n");
}

TEST(SmtpReply, TextsCannotBeginAnotherReply) {
  EXPECT_EQ(write({550, "5.1.1", "no\r\n250 yes"}), "550 5.1.1 no??250 yes\r\n");
  const auto text = write({250, "2.0.0", std::string(300, 'a') + " " + std::string(300, 'b')});
  EXPECT_EQ(text, "250-2.0.0 " + std::string(300, 'a') + "\r\n250 2.0.0 " + std::string(300, 'b') + "\r\n");
}

// A mail to many, of whom many are gone: each is told so, and the rest get it.
TEST(SmtpSession, WhatIsRefusedForGoodIsNoErrorOfTheSenders) {
  Replay replay;
  replay.send("EHLO x\r\nAUTH PLAIN AGFubmEAcGlu\r\nMAIL FROM:<a@b>\r\nRCPT TO:<here@x>\r\n");
  for (int i = 0; i < 50; ++i) replay.send("RCPT TO:<gone" + std::to_string(i) + "@x>\r\n");
  replay.send("DATA\r\n\r\nhi\r\n.\r\n");
  EXPECT_FALSE(replay.closed);
  EXPECT_EQ(replay.mails.size(), 1U);
  for (int mails = 0; mails < 15; ++mails) replay.send("MAIL FROM:<a@b> SIZE=2000\r\nMAIL FROM:<a@b>\r\nRCPT TO:<gone@x>\r\nDATA\r\nRSET\r\n");
  for (int mails = 0; mails < 15; ++mails) replay.send("MAIL FROM:<a@b>\r\nRCPT TO:<gone@x>\r\nBDAT 2 LAST\r\nhi");
  EXPECT_FALSE(replay.closed);
  EXPECT_EQ(replay.take_said().find("421 "), std::string::npos);
  Replay endless({.host = "mail.example", .auth = true, .size_bytes_max = 1000, .errors_max = 10, .refusals_max = 20});
  endless.send("EHLO x\r\nAUTH PLAIN AGFubmEAcGlu\r\nMAIL FROM:<a@b>\r\n");
  for (int i = 0; i < 40; ++i) endless.send("RCPT TO:<gone@x>\r\n");
  EXPECT_TRUE(endless.closed) << "nobody asks after addresses for ever";
  EXPECT_EQ(endless.recipients.size(), 30U);
}

}  // namespace
}  // namespace latchkey::wire::smtp
