#include "app/serve.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <csignal>
#include <cstdio>

#include "net/event_loop.h"

namespace latchkey::app {
namespace {

// One line: what happened and what to do, and behind it what the system said.
void complain(const Error& error) {
  const bool more = !error.detail.empty() && error.text.find(error.detail) == std::string::npos;
  fmt::print(stderr, "latchkey: {}{}\n", error.text, more ? fmt::format(" ({})", error.detail) : std::string());
}

// The server's life. The only task started by the process itself: it ends by stopping the loop.
Task<void> live(House* house, int* status) {
  if (const auto opened = co_await house->open(); !opened) {
    complain(opened.error());
    *status = 1;
  } else {
    fmt::print("{}", house->greeting());
    std::fflush(stdout);
    while (co_await house->loop().next_signal() == SIGHUP) house->reload();
  }
  co_await house->close();
  house->loop().stop();
}

}  // namespace

int serve(Config config, ServeOptions options) {
  auto house = House::build(std::move(config), options);
  if (!house) {
    complain(house.error());
    return 1;
  }
  int status = 0;
  boost::asio::co_spawn((*house)->loop().main(), live(house->get(), &status), boost::asio::detached);
  (*house)->loop().run();
  return status;
}

}  // namespace latchkey::app
