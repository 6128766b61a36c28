#include "connectors/exercise_mail_testing.h"

#include "crypto/hash.h"

namespace latchkey::connectors {
namespace {

std::string message_of(std::string subject, std::size_t body_bytes) {
  std::string message = "From: ada@office.example\r\nTo: bob@x.example\r\nSubject: " + std::move(subject) + "\r\n\r\n";
  for (std::size_t line = 0; message.size() < body_bytes; ++line)
    message += "line " + std::to_string(line) + " \xc3\xa4\r\n.\r\n";
  return message;
}

}  // namespace

std::map<std::string, std::string> MailboxUnderTest::hashes() {
  std::map<std::string, std::string> found;
  for (const auto& mail : mails()) {
    found[std::to_string(found.size())] = base::to_hex(crypto::sha256(base::as_bytes(mail.octets)));
  }
  return found;
}

StoreOrder MailExercise::order(MemoryDocument& message, std::string key) {
  return {.base_url = mailbox_->base_url(),
          .path = "message.eml",
          .content_type = "message/rfc822",
          .fields_json = fields_of(envelope_),
          .key = std::move(key),
          .on_conflict = OnConflict::rename,
          .resume_point = {},
          .document = &message,
          .tokens = tokens_.get(),
          .progress = &progress_};
}

// Suites are instantiated where the services are.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MailExercise);

TEST_P(MailExercise, MessagesArriveByteForByteWithTheirEnvelope) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{20'000}, std::size_t{3'500'000}}) {
    const auto text = message_of("of " + std::to_string(size), size);
    MemoryDocument message(base::to_bytes(text));
    const auto receipt = store(order(message, "size-" + std::to_string(size)));
    ASSERT_TRUE(receipt) << receipt.error().reason << " " << receipt.error().detail;
    EXPECT_FALSE(receipt->id.empty());
    EXPECT_NE(receipt->proof, Proof::none);
    ASSERT_FALSE(mailbox_->mails().empty());
    EXPECT_EQ(mailbox_->mails().front(), (ArrivedMail{.octets = text, .envelope = envelope_})) << "newest first";
  }
  EXPECT_TRUE(mailbox_->connector().abilities().carries_mail);
}

TEST_P(MailExercise, D1_AnAnswerThatIsLostMakesNoSecondMail) {
  MemoryDocument message(base::to_bytes(message_of("once", 1000)));
  mailbox_->lose_next_answer();
  const auto lost = store(order(message, "key-once"));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, ErrorKind::ambiguous) << "it may have gone out: whoever calls decides what that means";
  EXPECT_EQ(mailbox_->mails().size(), 1U);
  if (!mailbox_->connector().abilities().idempotent) return;
  const auto again = store(order(message, "key-once"));
  ASSERT_TRUE(again) << again.error().reason;
  EXPECT_EQ(mailbox_->mails().size(), 1U);
}

TEST_P(MailExercise, ATokenThatHasExpiredIsExchangedOnce) {
  MemoryDocument message(base::to_bytes(message_of("renewed", 1000)));
  tokens_->first_is_stale = true;
  ASSERT_TRUE(store(order(message, "key-renewed")));
  EXPECT_EQ(tokens_->others, 1);
  tokens_->all_are_stale = true;
  const auto refused = store(order(message, "key-never"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::needs_person) << refused.error().reason;
  EXPECT_EQ(mailbox_->mails().size(), 1U);
}

TEST_P(MailExercise, WhatCannotGoIsRefusedBeforeItIsSent) {
  MemoryDocument message(base::to_bytes(message_of("x", 1000)));
  auto nobody = order(message, "key-nobody");
  nobody.fields_json = R"({"mail_from":"ada@office.example","recipients":[]})";
  EXPECT_EQ(store(std::move(nobody)).error().reason, "no_envelope");
  message.unreadable_from = 500;
  EXPECT_EQ(store(order(message, "key-damaged")).error().reason, "document_damaged");
  const auto limit = mailbox_->connector().abilities().size_bytes_max;
  if (limit > 0 && limit < 64 * 1024 * 1024) {
    MemoryDocument large(Bytes(limit + 1, 'x'));
    EXPECT_EQ(store(order(large, "key-large")).error().kind, ErrorKind::refused);
  }
  EXPECT_TRUE(mailbox_->mails().empty());
}

TEST_P(MailExercise, ListsWhatIsThere) {
  for (const auto* subject : {"Alpha", "Beta"}) {
    MemoryDocument message(base::to_bytes(message_of(subject, 10)));
    ASSERT_TRUE(store(order(message, std::string("list-") + subject)));
  }
  const auto list = [&](std::string kind, std::string filter, std::size_t limit) {
    return mailbox_->run(mailbox_->connector().list({.base_url = mailbox_->base_url(),
                                                     .kind = std::move(kind),
                                                     .filter = std::move(filter),
                                                     .limit = limit,
                                                     .tokens = tokens_.get()}));
  };
  EXPECT_EQ(list("message", "", 200)->size(), 2U);
  EXPECT_EQ(list("message", "ALPHA", 200)->size(), 1U);
  EXPECT_EQ(list("message", "", 1)->size(), 1U);
  EXPECT_EQ(list("nonsense", "", 1).error().reason, "unknown_kind");
}

}  // namespace latchkey::connectors
