#include "net/stream_places.h"

#include <gtest/gtest.h>

namespace latchkey::net {
namespace {

using enum StreamCaller;

IpAddress at(std::string_view text) { return IpAddress::parse(text).value(); }

TEST(StreamPlaces, AreGivenBackToWhomTheyWereTakenFrom) {
  const auto places = std::make_shared<StreamPlaces>(StreamPlacesMost{.all = 1, .strangers = 1, .of_a_source = 1, .of_a_network = 1});
  for (int round = 0; round < 3; ++round) {
    const auto one = places->enter(round == 1 ? any : named);
    const auto other = places->enter(stranger);
    ASSERT_TRUE(one && other) << round;
    EXPECT_FALSE(places->enter(any));
    EXPECT_FALSE(places->enter(stranger));
    EXPECT_EQ(places->count(), 2U);
    const auto source = places->take(at("2001:db8:1:1::7"), any);
    ASSERT_TRUE(source) << round;
    EXPECT_FALSE(places->take(at("2001:db8:1:1::8"), any)) << "of the same /64";
    EXPECT_FALSE(places->take(at("2001:db8:1:2::7"), stranger)) << "of the same /48";
    EXPECT_TRUE(places->take(at("2001:db8:2:2::7"), any));
  }
  EXPECT_EQ(places->count(), 0U);
}

// A scanner that is named has its place, however many of its office's other devices are there.
TEST(StreamPlaces, ANetworkTakesNoPlaceOfThoseNamedInIt) {
  const auto places = std::make_shared<StreamPlaces>(StreamPlacesMost{.of_a_source = 1, .of_a_network = 1});
  const auto neighbour = places->take(at("2001:db8:1:1::7"), stranger);
  ASSERT_TRUE(neighbour);
  const auto scanner = places->take(at("2001:db8:1:2::7"), named);
  EXPECT_TRUE(scanner);
  EXPECT_FALSE(places->take(at("2001:db8:1:2::8"), named)) << "of one source";
  EXPECT_FALSE(places->take(at("2001:db8:1:3::7"), stranger));
}

TEST(StreamPlaces, OneIsTakenForAnother) {
  const auto places = std::make_shared<StreamPlaces>(StreamPlacesMost{.all = 1, .strangers = 1});
  auto place = places->enter(any);
  ASSERT_TRUE(place);
  auto other = places->enter(stranger);
  ASSERT_TRUE(other);
  *place = std::move(*other);
  EXPECT_EQ(places->count(), 1U);
  EXPECT_TRUE(places->enter(any));
  EXPECT_FALSE(places->enter(stranger));
}

}  // namespace
}  // namespace latchkey::net
