#include "relay/enrolment_gate.h"

namespace latchkey::relay {

bool EnrolmentGate::may_try(const net::SourceAddress& source, SteadyTime now) {
  if (sources_.size() >= kSourcesMax && !sources_.contains(source)) sources_.clear();
  auto& minute = sources_.try_emplace(source, Minute{.since = now}).first->second;
  if (now - minute.since >= Seconds(60)) minute = {.since = now};
  if (minute.tries >= kTriesPerMinute) return false;
  minute.tries += 1;
  return true;
}

Result<EnrolmentGate::Place> EnrolmentGate::enter(const net::SourceAddress& source, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (!may_try(source, now)) {
    return fail(ErrorKind::unavailable, "too_many_offers",
                "Too many enrolments were tried from this address within a minute. Wait a minute, then enrol again.");
  }
  if (taken_ >= kPlaces) {
    return fail(ErrorKind::unavailable, "enrolment_busy",
                "The Cloud Service is busy with other enrolments. Try again in a few seconds.");
  }
  taken_ += 1;
  return Place(*this);
}

void EnrolmentGate::leave() {
  const std::lock_guard lock(mutex_);
  taken_ -= 1;
}

}  // namespace latchkey::relay
