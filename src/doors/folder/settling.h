// Since when a file has been as it is. Values; one thread at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/clock.h"

namespace latchkey::doors {

// A file at one moment: which one it is, and what changes when somebody writes to it, renames it or gives it away.
struct Stamp {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t size_bytes = 0;
  std::int64_t modified_ns = 0;  // of the system's own clock; only compared
  std::int64_t changed_ns = 0;
  friend bool operator==(const Stamp&, const Stamp&) = default;
};

// What was seen of the files of one directory, look by look. The span counts from the first look that saw the file as it is, by
// the steady clock: times that a sender sets, and clocks that jump, say nothing here.
class Settling {
 public:
  [[nodiscard]] Milliseconds unchanged_for(const std::string& name, const Stamp& stamp, SteadyTime now);
  // Forgets the files that are not among `names`.
  void keep_only(const std::set<std::string>& names);

 private:
  struct Seen {
    Stamp stamp;
    SteadyTime since;
  };
  std::map<std::string, Seen> seen_;
};

}  // namespace latchkey::doors
