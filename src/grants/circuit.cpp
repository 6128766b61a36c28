#include "grants/circuit.h"

#include <algorithm>

namespace latchkey::grants {

bool Circuit::would_admit(SteadyTime now) const {
  if (!open_until_) return true;
  return now >= *open_until_ && (!probing_since_ || now >= *probing_since_ + bounds_.probe_patience);
}

bool Circuit::admits(SteadyTime now) {
  if (!would_admit(now)) return false;
  if (open_until_) probing_since_ = now;
  return true;
}

void Circuit::said_nothing(SteadyTime now) {
  if (!probing_since_) return;
  probing_since_.reset();
  if (open_until_) open_until_ = now + bounds_.again_after;
}

void Circuit::succeeded() {
  failures_ = 0;
  probes_failed_ = 0;
  probing_since_.reset();
  opened_at_.reset();
  open_until_.reset();
}

void Circuit::failed(SteadyTime now) {
  ++failures_;
  if (probing_since_) ++probes_failed_;
  probing_since_.reset();
  if (failures_ < bounds_.failures_to_open) return;
  const auto span = std::min(bounds_.open_for * (1 << std::min(probes_failed_, 10)), bounds_.open_max);
  if (!opened_at_) opened_at_ = now;
  open_until_ = now + span;
}

void RateCap::refill(SteadyTime now) {
  const auto requests = static_cast<double>(limit_->requests);
  const double burst = std::max(1.0, requests / 10.0);
  // Burst and refill together stay within the cap, of any span and a twelfth: between the taking and the request lies a
  // commit. Of a cap of one, the burst is all there is in one span.
  const double span = static_cast<double>(limit_->per.count()) * 13 / 12;
  const double refill_per_second = (requests > burst ? requests - burst : requests) / span;
  const auto passed = std::chrono::duration<double>(now - last_).count();
  if (!tokens_) tokens_ = burst;
  else if (passed > 0) tokens_ = std::min(burst, *tokens_ + passed * refill_per_second);
  last_ = now;
}

bool RateCap::take(SteadyTime now) {
  if (!limit_) return true;
  refill(now);
  if (*tokens_ < 1.0) return false;
  *tokens_ -= 1.0;
  return true;
}

void RateCap::take_anyway(SteadyTime now) {
  if (!limit_) return;
  refill(now);
  const double debt_max = static_cast<double>(limit_->requests) / 2.0;
  *tokens_ = std::max(*tokens_ - 1.0, -debt_max);
}

}  // namespace latchkey::grants
