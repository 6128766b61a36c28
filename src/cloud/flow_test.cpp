#include <gtest/gtest.h>

#include "cloud/envelope.h"
#include "cloud/flow.h"

namespace latchkey::cloud {
namespace {

class Flows : public testing::Test {
 protected:
  base::SeededEntropy entropy{11};
  PartyKeys relay = PartyKeys::make(entropy);
  PartyKeys office = PartyKeys::make(entropy);
  PartyKeys stranger = PartyKeys::make(entropy);
  Secret relay_key = Secret(entropy.bytes(32));
  WallTime now = base::from_unix_ms(1'800'000'000'000);
  FlowRequest request{.office = "office-1",
                      .attempt = "0190b5a0-0000-7000-8000-000000000001",
                      .type = "strict",
                      .params = {{"tenant", "contoso.example"}},
                      .app = "strict",
                      .username = "Ümit O'Neil",
                      .authorization_url = "https://provider.example/authorize?client_id=x&state=s",
                      .return_origin = "https://office.example",
                      .expires_at = now + Seconds(600)};

  std::string sealed(const FlowRequest& what) {
    return *seal_flow(what, office.signing_seed, relay.public_half().sealing, entropy);
  }
  std::string reason(const Result<FlowRequest>& believed) { return believed ? "" : believed.error().reason; }
  Bytes sealed_result(std::string_view query) {
    return seal_result({.attempt = request.attempt, .app = "strict", .query = Secret(query)}, "office-1",
                       office.public_half().sealing, entropy);
  }
};

std::string altered(std::string text, std::size_t at) {
  text[at] = text[at] == 'A' ? 'B' : 'A';
  return text;
}

TEST_F(Flows, S2_WhatTheOfficeSealsTheRelayBelieves) {
  const auto opened = OpenedFlow::open(relay, sealed(request));
  ASSERT_TRUE(opened) << opened.error().reason;
  EXPECT_EQ(opened->office(), "office-1");
  const auto believed = opened->believed(office.public_half().signing, now);
  ASSERT_TRUE(believed) << believed.error().reason;
  EXPECT_EQ(*believed, request);
}

TEST_F(Flows, S2_NobodyButTheRelayReadsAFlow) {
  const auto text = sealed(request);
  for (const auto* other : {&office, &stranger}) {
    const auto opened = OpenedFlow::open(*other, text);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().reason, "envelope_rejected");
  }
  const auto octets = *base::from_base64url(text);
  EXPECT_EQ(base::as_text(octets).find("provider.example"), std::string_view::npos);
}

TEST_F(Flows, S2_AFlowThatAnotherOfficeSignedInThisOnesNameIsRefused) {
  const auto forged = *seal_flow(request, stranger.signing_seed, relay.public_half().sealing, entropy);
  EXPECT_EQ(reason(OpenedFlow::open(relay, forged)->believed(office.public_half().signing, now)), "signature_wrong");
}

TEST_F(Flows, S2_AFlowEndsAndCannotBeMadeToLast) {
  const auto opened = OpenedFlow::open(relay, sealed(request));
  EXPECT_EQ(reason(opened->believed(office.public_half().signing, now + Seconds(599))), "");
  EXPECT_EQ(reason(opened->believed(office.public_half().signing, now + Seconds(600))), "flow_expired");
  EXPECT_EQ(reason(opened->believed(office.public_half().signing, now - Seconds(301))), "clock_differs");
}

TEST_F(Flows, BadInput_AFlowThatIsForgedTruncatedOrOversizedIsRefused) {
  const auto text = sealed(request);
  for (std::size_t at = 0; at < text.size(); at += 7) EXPECT_FALSE(OpenedFlow::open(relay, altered(text, at))) << at;
  for (std::size_t size = 0; size < text.size(); size += 5)
    EXPECT_FALSE(OpenedFlow::open(relay, text.substr(0, size))) << size;
  EXPECT_EQ(OpenedFlow::open(relay, std::string(kFlowTextMax + 1, 'A')).error().reason, "flow_malformed");
  auto long_request = request;
  long_request.authorization_url.append(6000, 'x');
  EXPECT_EQ(seal_flow(long_request, office.signing_seed, relay.public_half().sealing, entropy).error().reason,
            "flow_too_long");
}

TEST_F(Flows, BadInput_WhatIsSealedMustStillBeAWholeFlow) {
  const auto open_json = [&](std::string_view json) {
    Bytes plain(64, 0);
    plain.insert(plain.end(), json.begin(), json.end());
    return OpenedFlow::open(relay, base::to_base64url(seal_to(relay.public_half().sealing, kPurposeFlow, {},
                                                              Secret(std::move(plain)), entropy)));
  };
  const std::string whole =
      R"({"office":"o","attempt":"a","type":"t","app":"p","params":{"tenant":"x"},"username":"u","url":"https://x","return":"https://y","end":"2027-01-15T08:10:00.000Z"})";
  EXPECT_TRUE(open_json(whole));
  const auto with = [&](std::string_view from, std::string_view to) {
    auto text = whole;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const auto& bad : {std::string("{"), std::string("[]"), std::string(), with(R"("office":"o",)", ""),
                          with(R"("o")", "1"), with(R"("u")", R"("")"), with(R"("u")", R"("a\nb")"),
                          with("2027-01-15T08:10:00.000Z", "soon"), with(R"("type")", R"("app":"q","type")"),
                          with(R"({"tenant":"x"})", R"({"tenant":1})"), with(R"({"tenant":"x"})", R"("x")")}) {
    EXPECT_FALSE(open_json(bad)) << bad;
  }
}

TEST_F(Flows, S5_TheResultOpensForItsOfficeAlone) {
  const auto sealed = sealed_result("code=secret&state=s&iss=https%3A%2F%2Fprovider.example");
  const auto result = open_result(office, "office-1", sealed);
  ASSERT_TRUE(result) << result.error().reason;
  EXPECT_EQ(result->attempt, request.attempt);
  EXPECT_EQ(result->app, "strict");
  EXPECT_EQ(result->query.reveal_text(), "code=secret&state=s&iss=https%3A%2F%2Fprovider.example");
  EXPECT_EQ(open_result(stranger, "office-1", sealed).error().reason, "envelope_rejected");
  EXPECT_EQ(open_result(relay, "office-1", sealed).error().reason, "envelope_rejected");
  // The same keys enrolled twice: a result of the one is not the other's.
  EXPECT_EQ(open_result(office, "office-2", sealed).error().reason, "envelope_rejected");
}

TEST_F(Flows, S5_AQueryMayHoldAnything) {
  EXPECT_EQ(open_result(office, "office-1", sealed_result(""))->query.reveal_text(), "");
  EXPECT_EQ(open_result(office, "office-1", sealed_result("a\nb\n"))->query.reveal_text(), "a\nb\n");
}

TEST_F(Flows, S5_AHandleIsGoodForItsOfficeAndAMinute) {
  const auto sealed = sealed_result("code=secret");
  const auto handle = *seal_handle(relay_key, "office-1", now + kHandleLifetime, sealed, entropy);
  const auto taken = open_handle(relay_key, "office-1", now, handle);
  ASSERT_TRUE(taken) << taken.error().reason;
  EXPECT_EQ(*taken, sealed);
  EXPECT_EQ(open_handle(relay_key, "office-2", now, handle).error().reason, "handle_unknown");
  EXPECT_EQ(open_handle(Secret(entropy.bytes(32)), "office-1", now, handle).error().reason, "handle_unknown");
  EXPECT_EQ(open_handle(relay_key, "office-1", now + Seconds(59), handle).has_value(), true);
  EXPECT_EQ(open_handle(relay_key, "office-1", now + Seconds(60), handle).error().reason, "handle_expired");
}

TEST_F(Flows, S5_NeitherTheEndNorAnythingElseOfAHandleCanBeAltered) {
  const auto handle = *seal_handle(relay_key, "office-1", now + kHandleLifetime, sealed_result("code=secret"), entropy);
  for (std::size_t at = 0; at < handle.size(); ++at) {
    EXPECT_EQ(open_handle(relay_key, "office-1", now, altered(handle, at)).error().reason, "handle_unknown") << at;
  }
  for (std::size_t size = 0; size < handle.size(); ++size) {
    EXPECT_EQ(open_handle(relay_key, "office-1", now, handle.substr(0, size)).error().reason, "handle_unknown") << size;
  }
  EXPECT_EQ(open_handle(relay_key, "office-1", now, std::string(kFlowTextMax + 1, 'A')).error().reason, "handle_unknown");
}

TEST_F(Flows, AnEnvelopeIsBoundToItsPurposeAndPlace) {
  const auto sealed =
      seal_to(office.public_half().sealing, kPurposeReply, base::as_bytes("here"), Secret(std::string_view("x")), entropy);
  EXPECT_EQ(open_envelope(office, kPurposeReply, base::as_bytes("here"), sealed)->reveal_text(), "x");
  EXPECT_FALSE(open_envelope(office, kPurposeResult, base::as_bytes("here"), sealed));
  EXPECT_FALSE(open_envelope(office, kPurposeReply, base::as_bytes("there"), sealed));
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    auto other = sealed;
    other[at] ^= 1;
    EXPECT_FALSE(open_envelope(office, kPurposeReply, base::as_bytes("here"), other)) << at;
    EXPECT_FALSE(open_envelope(office, kPurposeReply, base::as_bytes("here"), ByteView(sealed).first(at))) << at;
  }
}

TEST(Party, KeysSurviveBeingKeptAndTold) {
  base::SeededEntropy entropy{3};
  const auto keys = PartyKeys::make(entropy);
  const auto told = PartyPublic::parse(keys.public_half().text());
  ASSERT_TRUE(told);
  EXPECT_EQ(*told, keys.public_half());
  EXPECT_EQ(told->key_id(), keys.public_half().key_id());
  EXPECT_EQ(told->key_id().size(), 16u);
  const auto kept = PartyKeys::from_plain(keys.to_plain());
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->public_half(), keys.public_half());
  EXPECT_NE(PartyKeys::make(entropy).public_half().key_id(), told->key_id());
}

TEST(Party, WhatIsNoPairOfKeysIsRefused) {
  EXPECT_FALSE(PartyPublic::parse(""));
  EXPECT_FALSE(PartyPublic::parse(std::string(86, '!')));
  EXPECT_FALSE(PartyPublic::parse(base::to_base64url(Bytes(63, 1))));
  EXPECT_FALSE(PartyPublic::parse(base::to_base64url(Bytes(64, 0)))) << "a point of low order";
  EXPECT_FALSE(PartyKeys::from_plain(Secret(std::string_view("short"))));
}

}  // namespace
}  // namespace latchkey::cloud
