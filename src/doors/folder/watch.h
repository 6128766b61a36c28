// Tells, soon after it happened, that something was closed after writing or moved into a drop folder. Only a hint: inotify forgets
// events when there are too many, and sees nothing that other machines do on a file system of the network. Whoever watches looks by
// himself from time to time, too.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/result.h"
#include "doors/folder/descriptor.h"

namespace latchkey::doors {

// A resource with a thread of its own, which waits and does nothing else.
class Watch {
 public:
  // `told` is called on the watch's thread. Errors: unavailable/`no_watch` (fs.inotify.max_user_instances is used up).
  [[nodiscard]] static Result<std::unique_ptr<Watch>> begin(std::function<void()> told);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  // After it nothing is told any more.
  ~Watch();

  // Any number of times for one directory. A directory that is gone is forgotten by itself. Errors: unavailable/`no_watch`
  // (fs.inotify.max_user_watches).
  [[nodiscard]] Result<void> add(int directory);

 private:
  Watch(Descriptor events, Descriptor end, std::function<void()> told);
  void wait();

  Descriptor events_;
  Descriptor end_;
  std::function<void()> told_;
  std::thread thread_;
};

}  // namespace latchkey::doors
