#include "doors/folder/watch.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace latchkey::doors {
namespace {

std::unexpected<Error> no_watch(const char* limit) {
  return fail(ErrorKind::unavailable, "no_watch",
              fmt::format("Drop folders cannot be watched ({}); they are looked at every few seconds instead. Is {} used up?", std::strerror(errno),
                          limit));
}

}  // namespace

Result<std::unique_ptr<Watch>> Watch::begin(std::function<void()> told) {
  Descriptor events(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!events) return no_watch("fs.inotify.max_user_instances");
  Descriptor end(::eventfd(0, EFD_CLOEXEC));
  if (!end) return no_watch("the limit of open files");
  return std::unique_ptr<Watch>(new Watch(std::move(events), std::move(end), std::move(told)));
}

Watch::Watch(Descriptor events, Descriptor end, std::function<void()> told)
    : events_(std::move(events)), end_(std::move(end)), told_(std::move(told)), thread_([this] { wait(); }) {}

Watch::~Watch() {
  const std::uint64_t one = 1;
  while (::write(end_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
  thread_.join();
}

Result<void> Watch::add(int directory) {
  // The directory that is open, whatever its name leads to by now.
  const auto path = fmt::format("/proc/self/fd/{}", directory);
  if (::inotify_add_watch(events_.get(), path.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) < 0) return no_watch("fs.inotify.max_user_watches");
  return {};
}

void Watch::wait() {
  std::array<pollfd, 2> waiting{{{.fd = events_.get(), .events = POLLIN, .revents = 0}, {.fd = end_.get(), .events = POLLIN, .revents = 0}}};
  alignas(inotify_event) std::array<char, 16 * 1024> events{};
  for (;;) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    if (waiting[1].revents != 0) return;
    while (::read(events_.get(), events.data(), events.size()) > 0) {
    }
    told_();
  }
}

}  // namespace latchkey::doors
