#include "relay/enrolment_gate.h"

#include <gtest/gtest.h>

#include <vector>

#include <fmt/format.h>

namespace latchkey::relay {
namespace {

net::SourceAddress source(std::string_view address) { return *net::SourceAddress::parse(address); }

template <class T>
std::string reason(const Result<T>& result) {
  return result ? "" : result.error().reason;
}

TEST(EnrolmentGate, S1_ASourceThatGuessesIsStoppedForTheRestOfItsMinute) {
  EnrolmentGate gate;
  SteadyTime now{};
  for (int n = 0; n < EnrolmentGate::kTriesPerMinute; ++n) EXPECT_EQ(reason(gate.enter(source("203.0.113.9"), now)), "");
  now += Seconds(59);
  EXPECT_EQ(reason(gate.enter(source("203.0.113.9"), now)), "too_many_offers");
  EXPECT_EQ(reason(gate.enter(source("203.0.113.10"), now)), "") << "somebody else";
  now += Seconds(1);
  EXPECT_EQ(reason(gate.enter(source("203.0.113.9"), now)), "");
}

TEST(EnrolmentGate, S1_FewAreWorkedOnAtOnceWhereverTheyComeFrom) {
  EnrolmentGate gate;
  std::vector<EnrolmentGate::Place> places;
  for (std::size_t n = 0; n < EnrolmentGate::kPlaces; ++n) {
    auto place = gate.enter(source(fmt::format("2001:db8:{}::1", n)), {});
    ASSERT_TRUE(place);
    places.push_back(std::move(*place));
  }
  EXPECT_EQ(reason(gate.enter(source("2001:db8:ff::1"), {})), "enrolment_busy");
  places.pop_back();
  EXPECT_EQ(reason(gate.enter(source("2001:db8:ff::1"), {})), "");
}

TEST(EnrolmentGate, S1_ManySourcesAreForgottenRatherThanKept) {
  EnrolmentGate gate;
  for (int n = 0; n < EnrolmentGate::kTriesPerMinute; ++n) EXPECT_EQ(reason(gate.enter(source("203.0.113.9"), {})), "");
  for (int n = 0; n < 5000; ++n) EXPECT_EQ(reason(gate.enter(source(fmt::format("2001:db8:{:x}::1", n)), {})), "");
  EXPECT_EQ(reason(gate.enter(source("203.0.113.9"), {})), "") << "so that what is kept is bounded";
}

}  // namespace
}  // namespace latchkey::relay
