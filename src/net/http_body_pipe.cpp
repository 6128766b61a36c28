#include "net/http_body_pipe.h"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
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
  // More comes while this is being worked on: not before, or the work would wait for the reading.
  if (!ended_) {
    auto more = [pipe = weak_from_this()] { want_more(pipe); };
    boost::asio::post(co_await boost::asio::this_coro::executor, std::move(more));
  }
  co_return piece;
}

void HttpBodyPipe::want_more(const std::weak_ptr<HttpBodyPipe>& pipe) {
  const auto self = pipe.lock();
  if (self && !self->ended_ && !self->problem_) self->wanted_();
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
