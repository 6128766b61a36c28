#include "net/curl_feed.h"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <cstring>
#include <utility>

#include "base/pool.h"

namespace latchkey::net {
namespace {

// Held twice while it is being sent: here and by libcurl.
constexpr std::uint64_t kPartBytes = 256 * 1024;

}  // namespace

Task<CurlFeed::Event> CurlFeed::event() {
  auto start = [self = shared_from_this()](auto resume) mutable {
    auto wait = [self, resume = std::move(resume)]() mutable {
      if (!self->waiting_) {
        self->resume_ = std::move(resume);
        return;
      }
      resume(std::exchange(self->waiting_, std::nullopt).value());
    };
    boost::asio::dispatch(self->executor_, std::move(wait));
  };
  co_return co_await base::suspend_until<Event>(std::move(start));
}

std::size_t CurlFeed::read(std::span<char> into) {
  if (problem_) return CURL_READFUNC_ABORT;
  if (taken_ == part_.size() && !next_.empty()) {
    part_ = std::exchange(next_, Secret());
    taken_ = 0;
  }
  ask_ahead();
  if (taken_ < part_.size()) {
    const auto count = std::min(into.size(), part_.size() - taken_);
    std::memcpy(into.data(), part_.reveal().data() + taken_, count);
    taken_ += count;
    offset_ += count;
    return count;
  }
  return offset_ == size_bytes_ ? 0 : CURL_READFUNC_PAUSE;
}

void CurlFeed::ask_ahead() {
  if (asked_ || !next_.empty() || end() == size_bytes_) return;
  asked_ = true;
  announce(Wanted{.offset = end(), .size_bytes = static_cast<std::size_t>(std::min(kPartBytes, size_bytes_ - end()))});
}

void CurlFeed::seek(std::uint64_t offset) {
  part_.clear();
  next_.clear();
  taken_ = 0;
  offset_ = offset;
}

void CurlFeed::supply(std::uint64_t offset, Result<Secret> part) {
  asked_ = false;
  if (!part) {
    problem_ = std::move(part.error());
  } else if (part->empty() || part->size() > size_bytes_ - offset) {
    problem_ = Error{.kind = ErrorKind::bug, .reason = "body_size", .text = "A body ended elsewhere than it said."};
  } else if (offset == end()) {
    next_ = std::move(*part);
  }
}

void CurlFeed::finish(HttpOutcome outcome) { announce(std::move(outcome)); }

void CurlFeed::announce(Event event) {
  if (resume_) {
    std::exchange(resume_, nullptr)(std::move(event));
  } else {
    waiting_ = std::move(event);  // an outcome overtakes a part that nobody needs any more
  }
}

}  // namespace latchkey::net
