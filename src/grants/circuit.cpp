#include "grants/circuit.h"

#include <algorithm>

namespace latchkey::grants {

bool Circuit::admits(SteadyTime now) {
  if (!open_until_) return true;
  if (now < *open_until_ || probing_) return false;
  probing_ = true;
  return true;
}

std::chrono::nanoseconds Circuit::wait(SteadyTime now) const {
  if (!open_until_) return std::chrono::nanoseconds(0);
  return std::max<std::chrono::nanoseconds>(*open_until_ - now, Seconds(1));
}

void Circuit::succeeded() {
  failures_ = 0;
  probes_failed_ = 0;
  probing_ = false;
  open_until_.reset();
}

void Circuit::failed(SteadyTime now) {
  ++failures_;
  if (probing_) ++probes_failed_;
  probing_ = false;
  if (failures_ < bounds_.failures_to_open) return;
  const auto span = std::min(bounds_.open_for * (1 << std::min(probes_failed_, 10)), bounds_.open_max);
  open_until_ = now + span;
}

bool RateCap::take(SteadyTime now) {
  if (!per_minute_) return true;
  const double burst = std::max(1.0, *per_minute_ / 10.0);
  const double refill_per_second = (*per_minute_ - burst) / 60.0;
  if (tokens_ < 0) tokens_ = burst;
  const auto passed = std::chrono::duration<double>(now - last_).count();
  if (last_ != SteadyTime{} && passed > 0) tokens_ = std::min(burst, tokens_ + passed * refill_per_second);
  last_ = now;
  if (tokens_ < 1.0) return false;
  tokens_ -= 1.0;
  return true;
}

}  // namespace latchkey::grants
