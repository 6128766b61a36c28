// The visible list of parts: everything the server is made of, built in this order and taken down in the reverse.
//
// Concurrency: built and destroyed by the thread that runs the event loop's main(); open() and close() run on main().
#pragma once

#include <memory>
#include <string>

#include "app/config.h"
#include "base/result.h"
#include "base/task.h"

namespace latchkey::net {
class EventLoop;
}

namespace latchkey::app {

struct ServeOptions {
  bool sandbox = false;
  std::uint16_t sandbox_port = 8481;
  bool trust_clock = false;  // what an earlier run believed the time to be is forgotten
};

// A resource.
class House {
 public:
  // Everything that needs no event loop: process hardening, keys, store, catalogue. Errors say in one sentence what is
  // wrong and what to do; nothing that exists is changed then.
  [[nodiscard]] static Result<std::unique_ptr<House>> build(Config config, ServeOptions options);
  House(const House&) = delete;
  House& operator=(const House&) = delete;
  ~House();

  [[nodiscard]] net::EventLoop& loop();
  // Reads what must be known, starts the engine, then the listeners. Errors as build().
  [[nodiscard]] Task<Result<void>> open();
  // What to tell whoever started the server: addresses, the one-time set-up address, the tunnel line.
  [[nodiscard]] std::string greeting() const;
  // SIGHUP: certificates are read again.
  void reload();
  // Stops accepting, lets requests and exchanges finish, flushes. Returns when nothing is left to do.
  [[nodiscard]] Task<void> close();

 private:
  struct Parts;
  explicit House(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace latchkey::app
