// The folders that clients make through WebDAV. A connector has none of its own: a folder is the right to put documents
// below it, and part of their names at the destination.
//
// Kept in memory, for a day since they were last made or used, so a restart forgets them: whoever needs one makes it again
// (409 says so), and a folder with documents of the last hour in it is there anyway (DavView). Bounded. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace latchkey::doors {

class DavCollections {
 public:
  static constexpr std::size_t kOfOneMax = 1000;
  static constexpr std::size_t kOwnersMax = 1000;
  static constexpr std::chrono::hours kKeptFor{24};

  explicit DavCollections(const WallClock& wall) : wall_(wall) {}

  // `whose` says who and at which connector. False: they have too many. Where too many have some, those whose were not made
  // or used for longest are forgotten.
  [[nodiscard]] bool make(const std::string& whose, const std::string& path);
  // The collection and everything below it.
  void remove(const std::string& whose, std::string_view path);
  // Something was done in it: it stays for another day.
  void use(const std::string& whose, const std::string& path);
  [[nodiscard]] std::vector<std::string> of(const std::string& whose);

 private:
  struct Owned {
    std::map<std::string, WallTime> paths;  // until when
    WallTime used_at;
  };
  void forget_old(WallTime now);
  void forget_longest_unused();

  const WallClock& wall_;
  std::mutex mutex_;
  std::map<std::string, Owned> owned_;
};

}  // namespace latchkey::doors
