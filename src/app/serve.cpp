#include "app/serve.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <csignal>
#include <cstdio>

#include "app/cli_mistakes.h"
#include "app/file_limit.h"
#include "net/event_loop.h"

namespace latchkey::app {
namespace {

void complain(const Error& error) { fmt::print(stderr, "latchkey: {}\n", words_for_error(error)); }

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
  raise_file_limit();
  std::signal(SIGHUP, SIG_IGN);  // until the house stands; what it would read anew is read then
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
