// This machine's clock beside the providers': their Date header (RFC 9110 6.6.1).
#pragma once

#include "doctor/check.h"
#include "net/http_client.h"

namespace latchkey::doctor {

class ClockCheck final : public Check {
 public:
  ClockCheck(net::HttpTransport& transport, const WallClock& wall, const SteadyClock& steady)
      : transport_(transport), wall_(wall), steady_(steady) {}
  [[nodiscard]] std::string_view name() const override { return "clock"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  net::HttpTransport& transport_;
  const WallClock& wall_;
  const SteadyClock& steady_;
};

// How far this clock is from the other (positive: ahead of it), when its whole second `theirs` was read within `round_trip`
// before `ours`: what the reading itself cannot tell apart counts as none.
[[nodiscard]] Milliseconds clock_difference(WallTime ours, WallTime theirs, Milliseconds round_trip);

}  // namespace latchkey::doctor
