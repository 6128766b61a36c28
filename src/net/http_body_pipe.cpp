#include "net/http_body_pipe.h"

#include <utility>

#include "base/pool.h"

namespace latchkey::net {

Task<Result<Bytes>> HttpBodyPipe::pull() {
  pulled_ = true;
  if (waiting_.empty() && !ended_ && !problem_) {
    wanted_();
    if (waiting_.empty() && !ended_ && !problem_) {
      auto start = [this](auto resume) { resume_ = std::move(resume); };
      (void)co_await base::suspend_until<bool>(std::move(start));
    }
  }
  if (problem_) co_return std::unexpected(*problem_);
  const auto octets = base::as_bytes(waiting_);
  Bytes piece(octets.begin(), octets.end());
  waiting_.clear();
  if (!ended_) wanted_();  // more may come while this is being worked on
  co_return piece;
}

void HttpBodyPipe::wake() {
  if (auto resume = std::exchange(resume_, nullptr)) resume(true);
}

void HttpBodyPipe::deliver(std::string octets) {
  if (problem_ || octets.empty()) return;
  if (waiting_.empty()) {
    waiting_ = std::move(octets);
  } else {
    waiting_ += octets;
  }
  wake();
}

void HttpBodyPipe::end() {
  ended_ = true;
  wake();
}

void HttpBodyPipe::fail_with(Error problem) {
  if (ended_ || problem_) return;
  problem_ = std::move(problem);
  wake();
}

}  // namespace latchkey::net
