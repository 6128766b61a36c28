#include "net/epoll_set.h"

#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/result.h"

namespace latchkey::net {

namespace asio = boost::asio;

struct EpollSet::State {
  explicit State(Executor executor) : set(executor, epoll_create1(EPOLL_CLOEXEC)) {}
  asio::posix::basic_stream_descriptor<Executor> set;
  Ready ready;
  std::array<epoll_event, 256> events{};
};

EpollSet::EpollSet(Executor executor) : state_(std::make_unique<State>(std::move(executor))) {
  LATCHKEY_CHECK(state_->set.native_handle() >= 0);
}

EpollSet::~EpollSet() = default;

bool EpollSet::add(int descriptor, std::uint32_t events, epoll_data data) {
  epoll_event event{.events = events, .data = data};
  return epoll_ctl(state_->set.native_handle(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

bool EpollSet::modify(int descriptor, std::uint32_t events, epoll_data data) {
  epoll_event event{.events = events, .data = data};
  return epoll_ctl(state_->set.native_handle(), EPOLL_CTL_MOD, descriptor, &event) == 0;
}

void EpollSet::remove(int descriptor) {
  if (state_->set.is_open()) epoll_ctl(state_->set.native_handle(), EPOLL_CTL_DEL, descriptor, nullptr);
}

void EpollSet::start(Ready ready) {
  state_->ready = std::move(ready);
  wait();
}

void EpollSet::stop() {
  boost::system::error_code ignored;
  state_->set.close(ignored);
}

void EpollSet::wait() {
  auto woken = [self = shared_from_this()](boost::system::error_code error) {
    if (error || !self->state_->set.is_open()) return;
    self->drain();
    if (self->state_->set.is_open()) self->wait();
  };
  state_->set.async_wait(asio::posix::descriptor_base::wait_read, std::move(woken));
}

void EpollSet::drain() {
  auto& events = state_->events;
  const int count = epoll_wait(state_->set.native_handle(), events.data(), static_cast<int>(events.size()), 0);
  if (count > 0) state_->ready(std::span(events).first(static_cast<std::size_t>(count)));
}

}  // namespace latchkey::net
