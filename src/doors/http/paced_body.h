// A body that must not trickle: whoever sends an octet now and then keeps a place, and is sent away (slow-loris).
#pragma once

#include <memory>

#include "base/clock.h"
#include "net/http_server.h"

namespace latchkey::doors {

// Over every `window` of waiting for the sender; the time in which nobody asked for more does not count.
struct LeastRate {
  std::uint64_t bytes_per_second = 1000;  // 0: as slow as may be
  Seconds window{60};
};

class PacedBody final : public net::HttpBody {
 public:
  PacedBody(std::shared_ptr<net::HttpBody> body, SteadyClock& steady, LeastRate least)
      : body_(std::move(body)), steady_(steady), least_(least) {}
  [[nodiscard]] std::optional<std::uint64_t> stated_size() const override { return body_->stated_size(); }
  // Errors besides: unavailable/`upload_too_slow`.
  [[nodiscard]] Task<Result<Bytes>> pull() override;

 private:
  std::shared_ptr<net::HttpBody> body_;
  SteadyClock& steady_;
  LeastRate least_;
  std::chrono::nanoseconds waited_{};  // since the window began
  std::uint64_t came_bytes_ = 0;
};

}  // namespace latchkey::doors
