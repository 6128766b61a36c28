// Many descriptors behind one wait of the event loop. Private to net.
//
// Asio's own wait re-arms a descriptor by a system call for every wait and allocates an operation for it; a set of our
// own is waited for as one descriptor and hands over its events in batches.
#pragma once

#include <sys/epoll.h>

#include <functional>
#include <memory>
#include <span>

#include "base/task.h"

namespace latchkey::net {

// A resource of one executor; not thread-safe.
class EpollSet : public std::enable_shared_from_this<EpollSet> {
 public:
  using Ready = std::function<void(std::span<const epoll_event> events)>;

  explicit EpollSet(Executor executor);
  EpollSet(const EpollSet&) = delete;
  EpollSet& operator=(const EpollSet&) = delete;
  ~EpollSet();

  // False if the kernel refuses (out of memory or watches). `data` comes back with the events.
  [[nodiscard]] bool add(int descriptor, std::uint32_t events, epoll_data data);
  bool modify(int descriptor, std::uint32_t events, epoll_data data);
  void remove(int descriptor);

  // Calls `ready` for every batch until stop(). The set must be owned by a shared_ptr.
  void start(Ready ready);
  void stop();

 private:
  void wait();
  void drain();

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::net
