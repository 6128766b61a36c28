// One exercise suite that every connector that carries mail must pass, against its service or what stands for it.
#pragma once

#include "connectors/exercise_testing.h"
#include "connectors/mail_envelope.h"

namespace latchkey::connectors {

// What a mailbox has got.
struct ArrivedMail {
  std::string octets;
  MailEnvelope envelope;
  friend bool operator==(const ArrivedMail&, const ArrivedMail&) = default;
};

class MailboxUnderTest : public DestinationUnderTest {
 public:
  [[nodiscard]] virtual std::vector<ArrivedMail> mails() = 0;
  // The next message arrives, and the service's word for it is lost.
  virtual void lose_next_answer() = 0;
  // By message.
  [[nodiscard]] std::map<std::string, std::string> hashes() override;
};
using MailboxFactory = std::function<std::unique_ptr<MailboxUnderTest>()>;

class MailExercise : public ::testing::TestWithParam<MailboxFactory> {
 protected:
  void SetUp() override {
    mailbox_ = GetParam()();
    tokens_ = std::make_unique<CountedTokens>(*mailbox_);
  }
  [[nodiscard]] StoreOrder order(MemoryDocument& message, std::string key);
  [[nodiscard]] Result<Receipt> store(StoreOrder order) {
    return mailbox_->run(mailbox_->connector().store(std::move(order)));
  }

  std::unique_ptr<MailboxUnderTest> mailbox_;
  std::unique_ptr<CountedTokens> tokens_;
  RememberedProgress progress_;
  MailEnvelope envelope_{.mail_from = "ada@office.example", .recipients = {"bob@x.example", "carol@x.example"}};
};

}  // namespace latchkey::connectors
