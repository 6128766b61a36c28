#include <gtest/gtest.h>

#include "cloud/party.h"
#include "cloud/signed_request.h"

namespace latchkey::cloud {
namespace {

class Signing : public testing::Test {
 protected:
  RequestSignature sign(WallTime at) {
    return sign_request(asked, "office-1", keys.public_half().key_id(), keys.signing_seed, at, entropy);
  }
  std::string reason_of(const Asked& other, const RequestSignature& signature, WallTime at) {
    const auto checked = check_signature(other, signature, keys.public_half().signing, at);
    return checked ? "" : checked.error().reason;
  }

  base::SeededEntropy entropy{7};
  PartyKeys keys = PartyKeys::make(entropy);
  WallTime now = base::from_unix_ms(1'800'000'000'500);
  Asked asked{.method = "POST", .target = "/relay/v1/results?a=1", .body = R"({"handle":"x"})"};
};

TEST_F(Signing, S1_ASignedRequestIsGoodThroughItsHeader) {
  const auto signature = RequestSignature::parse(sign(now).header());
  ASSERT_TRUE(signature) << signature.error().reason;
  EXPECT_EQ(signature->office, "office-1");
  EXPECT_EQ(signature->key_id, keys.public_half().key_id());
  EXPECT_EQ(reason_of(asked, *signature, now), "");
}

TEST_F(Signing, S1_EverythingThatIsAskedIsSigned) {
  const auto signature = sign(now);
  EXPECT_EQ(reason_of({.method = "PUT", .target = asked.target, .body = asked.body}, signature, now), "signature_wrong");
  EXPECT_EQ(reason_of({.method = asked.method, .target = "/relay/v1/results?a=2", .body = asked.body}, signature, now),
            "signature_wrong");
  EXPECT_EQ(reason_of({.method = asked.method, .target = asked.target, .body = R"({"handle":"y"})"}, signature, now),
            "signature_wrong");
  for (auto change :
       {+[](RequestSignature& it) { it.office = "office-2"; }, +[](RequestSignature& it) { it.key_id = "0"; },
        +[](RequestSignature& it) { it.time_s += 1; }, +[](RequestSignature& it) { it.nonce[0] ^= 1; },
        +[](RequestSignature& it) { it.signature[63] ^= 1; }, +[](RequestSignature& it) { it.signature.pop_back(); }}) {
    auto other = signature;
    change(other);
    EXPECT_EQ(reason_of(asked, other, now), "signature_wrong");
  }
}

TEST_F(Signing, S1_FieldsCannotLendEachOtherTheirOctets) {
  const Asked one{.method = "POST", .target = "/ab", .body = ""};
  const Asked other{.method = "POST/", .target = "ab", .body = ""};
  const auto signature = sign_request(one, "o", "k", keys.signing_seed, now, entropy);
  EXPECT_EQ(reason_of(one, signature, now), "");
  EXPECT_EQ(reason_of(other, signature, now), "signature_wrong");
}

TEST_F(Signing, S1_AnotherOfficesKeyIsRefused) {
  const auto other = PartyKeys::make(entropy);
  const auto signature = sign_request(asked, "office-1", keys.public_half().key_id(), other.signing_seed, now, entropy);
  EXPECT_EQ(reason_of(asked, signature, now), "signature_wrong");
}

TEST_F(Signing, S1_AMinuteOfDifferenceIsBorneAndNoMore) {
  const auto signature = sign(now);
  EXPECT_EQ(reason_of(asked, signature, now + Seconds(60)), "");
  EXPECT_EQ(reason_of(asked, signature, now - Seconds(60)), "");
  EXPECT_EQ(reason_of(asked, signature, now + Seconds(61)), "clock_differs");
  EXPECT_EQ(reason_of(asked, signature, now - Seconds(61)), "clock_differs");
  const auto late = check_signature(asked, signature, keys.public_half().signing, now + Seconds(61));
  EXPECT_NE(late.error().text.find("office's is behind"), std::string::npos) << late.error().text;
}

TEST_F(Signing, S1_WhoseSignatureIsWrongHearsNothingOfTheClock) {
  auto signature = sign(now);
  signature.signature[0] ^= 1;
  EXPECT_EQ(reason_of(asked, signature, now + Seconds(3600)), "signature_wrong");
}

TEST_F(Signing, S1_EachRequestHasANonceOfItsOwn) { EXPECT_NE(sign(now).nonce, sign(now).nonce); }

TEST_F(Signing, S1_AHeaderInAnyOtherFormIsRefused) {
  const auto good = sign(now).header();
  auto with = [&](std::string_view from, std::string_view to) {
    auto text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  for (const auto& bad : {std::string(), std::string("Basic dTpw"), good + ", office=office-2", good + ",",
                          good + ", more=1", with("Latchkey ", "latchkey "), with("office=", "office"),
                          with("office=office-1", "office="), with("office-1", "office_1"), with("time=", "time=0"),
                          with("time=", "time=-"), with("time=", "time=99999999999999999999"), with("nonce=", "nonce=AAAA"),
                          with(", key=", ", kez="), with("office-1", std::string(2000, 'a'))}) {
    const auto parsed = RequestSignature::parse(bad);
    EXPECT_FALSE(parsed) << bad;
    if (!parsed) EXPECT_EQ(parsed.error().reason, "signature_malformed");
  }
}

}  // namespace
}  // namespace latchkey::cloud
