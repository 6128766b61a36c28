// A world runs in one thread and has no descriptors: whatever is ready is in its queue, and there is nothing to ask the kernel for. Asio
// asks all the same after every event, which took a third of a simulated refresh. Who waits (the store's exercise, the runner) waits as ever.
// Sanitizers have an epoll_wait of their own, by which they know what happens before what: theirs stays.
#ifndef LATCHKEY_SANITIZED
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" int epoll_wait(int descriptor, epoll_event* events, int most, int timeout_ms) {
  if (timeout_ms == 0) return 0;
  return static_cast<int>(::syscall(SYS_epoll_wait, descriptor, events, most, timeout_ms));
}
#endif
