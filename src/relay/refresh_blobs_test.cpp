#include "relay/refresh_blobs.h"

#include <gtest/gtest.h>

#include "base/entropy.h"

namespace latchkey::relay {
namespace {

class Blobs : public testing::Test {
 protected:
  static Secret token(std::string_view text = "1//refresh-token") { return Secret(text); }
  base::SeededEntropy entropy{9};
  Secret instance{entropy.bytes(32)};
  RefreshBlobs blobs{instance};
  BlobPlace place{.office = "north", .provider = "box", .client_id = "relay-at-box", .grant = "g-1"};
};

TEST_F(Blobs, S4_ABlobOpensWhereItWasMade) {
  const auto blob = blobs.seal(place, token());
  EXPECT_EQ(blob.reveal_text().find("refresh-token"), std::string_view::npos);
  const auto opened = blobs.open(place, blob.reveal_text());
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->reveal_text(), "1//refresh-token");
  EXPECT_TRUE(RefreshBlobs(instance).open(place, blob.reveal_text())) << "another instance of the same relay";
}

TEST_F(Blobs, S4_ABlobOfAnotherOfficeProviderClientOrGrantOpensNowhere) {
  const auto blob = blobs.seal(place, token());
  for (auto member : {&BlobPlace::office, &BlobPlace::provider, &BlobPlace::client_id, &BlobPlace::grant}) {
    auto elsewhere = place;
    elsewhere.*member = "other";
    const auto opened = blobs.open(elsewhere, blob.reveal_text());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().reason, "refresh_token_foreign");
  }
  BlobPlace shifted{.office = "northb", .provider = "ox", .client_id = "relay-at-box", .grant = "g-1"};
  EXPECT_FALSE(blobs.open(shifted, blob.reveal_text())) << "parts lend one another nothing";
  const Secret other_key(entropy.bytes(32));
  EXPECT_FALSE(RefreshBlobs(other_key).open(place, blob.reveal_text()));
}

TEST_F(Blobs, WhatIsNoBlobIsRefused) {
  std::string blob(blobs.seal(place, token()).reveal_text());
  for (const auto& bad : {std::string(), std::string("1//refresh-token"), std::string("lkr1."), std::string("lkr1.AAAA"),
                          blob + "A", blob.substr(0, blob.size() - 4)})
    EXPECT_FALSE(blobs.open(place, bad)) << bad.size();
  blob[30] = blob[30] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(blobs.open(place, blob));
}

TEST_F(Blobs, R11_TheSameTokenGivesTheSameBlobAndAnotherAnother) {
  EXPECT_TRUE(blobs.seal(place, token()).equals(blobs.seal(place, token())));
  EXPECT_FALSE(blobs.seal(place, token()).equals(blobs.seal(place, token("1//other"))));
  auto elsewhere = place;
  elsewhere.grant = "g-2";
  EXPECT_FALSE(blobs.seal(place, token()).equals(blobs.seal(elsewhere, token())));
}

}  // namespace
}  // namespace latchkey::relay
