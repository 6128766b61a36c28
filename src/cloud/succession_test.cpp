#include "cloud/succession.h"

#include <gtest/gtest.h>

namespace latchkey::cloud {
namespace {

class Successions : public testing::Test {
 protected:
  base::SeededEntropy entropy{21};
  PartyKeys first = PartyKeys::make(entropy);
  PartyKeys second = PartyKeys::make(entropy);
  PartyKeys third = PartyKeys::make(entropy);
  std::vector<Succession> chain{make_succession(first, second.public_half()), make_succession(second, third.public_half())};
};

TEST_F(Successions, S1_LeadFromWhatWasPinnedToTheKeysOfNow) {
  EXPECT_TRUE(leads_to(chain, first.public_half(), third.public_half()));
  EXPECT_TRUE(leads_to(chain, second.public_half(), third.public_half()));
  EXPECT_TRUE(leads_to({}, third.public_half(), third.public_half())) << "nothing has changed";
  EXPECT_FALSE(leads_to(chain, third.public_half(), first.public_half())) << "never back";
  EXPECT_FALSE(leads_to({chain[1]}, first.public_half(), third.public_half())) << "a link is missing";
}

TEST_F(Successions, Attack_OnlyTheFormerKeysNameTheirSuccessors) {
  const auto mallory = PartyKeys::make(entropy);
  auto forged = make_succession(mallory, mallory.public_half());
  forged.former = first.public_half();
  EXPECT_FALSE(leads_to({forged}, first.public_half(), mallory.public_half())) << "signed by somebody else";
  auto moved = chain[0];
  moved.next = mallory.public_half();
  EXPECT_FALSE(leads_to({moved}, first.public_half(), mallory.public_half())) << "a proof for other keys";
  auto half = chain[0];
  half.next.sealing = mallory.public_half().sealing;
  EXPECT_FALSE(leads_to({half}, first.public_half(), half.next)) << "a proof for half of them";
  EXPECT_TRUE(leads_to({forged, chain[0], chain[1]}, first.public_half(), third.public_half()))
      << "and it stands in nobody's way";
}

TEST_F(Successions, ACircleEnds) {
  const std::vector circle{make_succession(first, second.public_half()), make_succession(second, first.public_half())};
  EXPECT_FALSE(leads_to(circle, first.public_half(), third.public_half()));
}

}  // namespace
}  // namespace latchkey::cloud
