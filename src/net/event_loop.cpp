#include "net/event_loop.h"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"

namespace latchkey::net {

namespace asio = boost::asio;

struct EventLoop::State {
  struct Worker {
    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(context);
  };
  std::vector<std::unique_ptr<Worker>> workers;
  // Made with the loop, before there are threads: what a signal's handler reads is then written before any can come.
  std::optional<asio::signal_set> signals;
  bool signals_taken = false;
};

EventLoop::EventLoop(std::size_t threads) : state_(std::make_unique<State>()) {
  LATCHKEY_CHECK(threads >= 1);
  std::signal(SIGPIPE, SIG_IGN);
  for (std::size_t i = 0; i < threads; ++i) state_->workers.push_back(std::make_unique<State::Worker>());
  state_->signals.emplace(state_->workers[0]->context);
}

EventLoop::~EventLoop() = default;

Executor EventLoop::main() { return worker(0); }

Executor EventLoop::worker(std::size_t index) { return state_->workers.at(index)->context.get_executor(); }

std::size_t EventLoop::worker_count() const { return state_->workers.size(); }

void EventLoop::run() {
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < state_->workers.size(); ++i) {
    // noexcept: what leaves a handler ends in std::terminate, with its stack.
    threads.emplace_back([worker = state_->workers[i].get()]() noexcept { worker->context.run(); });
    pthread_setname_np(threads.back().native_handle(), ("net-" + std::to_string(i)).c_str());
  }
  [this]() noexcept { state_->workers[0]->context.run(); }();
}

void EventLoop::stop() {
  for (const auto& worker : state_->workers) worker->context.stop();
}

Task<int> EventLoop::next_signal() {
  if (!std::exchange(state_->signals_taken, true)) {
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) state_->signals->add(signal);
  }
  co_return co_await state_->signals->async_wait(asio::use_awaitable_t<Executor>());
}

}  // namespace latchkey::net
