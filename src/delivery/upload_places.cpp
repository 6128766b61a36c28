#include "delivery/upload_places.h"

#include "base/clock.h"

namespace latchkey::delivery {
namespace {

constexpr Seconds kComeBackAfter{10};

}  // namespace

Result<std::shared_ptr<UploadPlaces::Place>> UploadPlaces::take(std::string submitter, const UploadLimits& limits) {
  const bool in = direction_ == Direction::in;
  {
    const std::lock_guard lock(mutex_);
    if (taken_ >= limits.at_once)
      return fail(ErrorKind::unavailable, in ? "too_many_uploads" : "too_many_downloads",
                  in ? "As many documents as may be are coming in at this moment. Send it again in a while."
                     : "As many documents as may be are being fetched at this moment. Try again in a while.",
                  {.retry_after = kComeBackAfter});
    const auto own = of_.find(submitter);
    if (own != of_.end() && own->second >= limits.at_once_of_one)
      return fail(
          ErrorKind::unavailable, in ? "too_many_uploads_of_one" : "too_many_downloads_of_one",
          in ? "You are sending as many documents at once as one may. Let some of them end, then send this one again."
             : "You are fetching as many documents at once as one may. Let some of them end, then fetch this one.",
          {.retry_after = kComeBackAfter});
    of_[submitter] += 1;
    taken_ += 1;
  }
  return std::make_shared<Place>(*this, std::move(submitter));
}

void UploadPlaces::leave(const std::string& submitter) {
  const std::lock_guard lock(mutex_);
  const auto own = of_.find(submitter);
  if ((own->second -= 1) == 0) of_.erase(own);
  taken_ -= 1;
}

std::size_t UploadPlaces::taken() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

}  // namespace latchkey::delivery
