#include <gtest/gtest.h>

#include "cloud/enrolment.h"

namespace latchkey::cloud {
namespace {

class Enrolling : public testing::Test {
 protected:
  base::SeededEntropy entropy{17};
  PartyKeys relay = PartyKeys::make(entropy);
  PartyKeys office = PartyKeys::make(entropy);
  EnrolmentCode code = EnrolmentCode::make(entropy.bytes(16), relay.public_half(), entropy);
};

TEST_F(Enrolling, S1_ACodeSurvivesBeingCopied) {
  EXPECT_EQ(code.text().size(), 68u) << "as the message about a broken one says";
  for (const auto& text : {code.text(), "  " + code.text() + "\r\n"}) {
    const auto read = EnrolmentCode::parse(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->office, code.office);
    EXPECT_TRUE(read->secret.equals(code.secret));
    EXPECT_TRUE(read->is_of(relay.public_half()));
  }
  EXPECT_NE(EnrolmentCode::make(code.office, relay.public_half(), entropy).text(), code.text())
      << "each code has a secret of its own";
}

TEST_F(Enrolling, BadInput_ACodeThatIsNotWholeIsRefusedInWords) {
  const auto text = code.text();
  for (const auto& bad : {std::string(), text.substr(1), text.substr(0, 67), text + "A", "LK2-" + text.substr(4),
                          text.substr(0, 30) + " " + text.substr(30), std::string("LK1-") + std::string(64, '!')}) {
    const auto read = EnrolmentCode::parse(bad);
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().reason, "enrolment_code_malformed");
    EXPECT_EQ(read.error().field, "enrolment_code");
  }
}

TEST_F(Enrolling, Attack_AnotherRelaysKeysDoNotPassForThoseTheCodeNames) {
  EXPECT_FALSE(code.is_of(PartyKeys::make(entropy).public_half()));
  auto half = relay.public_half();
  half.sealing = PartyKeys::make(entropy).public_half().sealing;
  EXPECT_FALSE(code.is_of(half)) << "one half changed";
}

TEST_F(Enrolling, Attack_KeysAreEnrolledOnlyByWhoHasThemAndTheCode) {
  const auto request = make_enrolment_request(code, office);
  EXPECT_TRUE(check_enrolment_request(code, request));
  const auto other = EnrolmentCode::make(code.office, relay.public_half(), entropy);
  EXPECT_FALSE(check_enrolment_request(other, request)) << "another code";
  auto elsewhere = *EnrolmentCode::parse(code.text());
  elsewhere.office[0] ^= 1;
  EXPECT_FALSE(check_enrolment_request(elsewhere, request)) << "another office's place";
  auto swapped = request;
  swapped.keys.sealing = PartyKeys::make(entropy).public_half().sealing;
  const auto refused = check_enrolment_request(code, swapped);
  ASSERT_FALSE(refused) << "somebody else would read the results";
  EXPECT_EQ(refused.error().reason, "enrolment_proof_wrong");
  swapped = request;
  swapped.proof.clear();
  EXPECT_FALSE(check_enrolment_request(code, swapped));
}

TEST_F(Enrolling, S1_WhatTheRelayKeepsTellsNothingOfTheCode) {
  EXPECT_EQ(digest_of_secret(code.secret), digest_of_secret(EnrolmentCode::parse(code.text())->secret));
  EXPECT_NE(digest_of_secret(code.secret),
            digest_of_secret(EnrolmentCode::make(code.office, relay.public_half(), entropy).secret));
  EXPECT_NE(digest_of_secret(code.secret), crypto::sha256(code.secret.reveal()));
}

}  // namespace
}  // namespace latchkey::cloud
