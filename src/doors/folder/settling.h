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

// What was seen of the files of one directory, look by look. The span counts from the first look that saw the file as it is,
// by the steady clock: times that a sender sets, and clocks that jump, say nothing here.
class Settling {
 public:
  [[nodiscard]] Milliseconds unchanged_for(const std::string& name, const Stamp& stamp, SteadyTime now);
  // One that has been so for as long as `unchanged` already, elsewhere.
  void carry_over(const std::string& name, const Stamp& stamp, Milliseconds unchanged, SteadyTime now);
  // Forgets the files that are not among `names`.
  void keep_only(const std::set<std::string>& names);

 private:
  struct Seen {
    Stamp stamp;
    SteadyTime since;
  };
  std::map<std::string, Seen> seen_;
};

// What of one directory waits for a person. One stands until it is lifted, and is tried again from a certain time on. One thread
// at a time.
class Pauses {
 public:
  // Beyond kMax a new one is not kept: it is tried at every look.
  static constexpr std::size_t kMax = 10'000;
  void put(const std::string& name, SteadyTime until);
  void lift(const std::string& name) { until_.erase(name); }
  // Whether it is too early to try again.
  [[nodiscard]] bool holds(const std::string& name, SteadyTime now) const;
  [[nodiscard]] std::set<std::string> names() const;
  [[nodiscard]] bool is_empty() const { return until_.empty(); }
  // Lifts those that are not among `names`.
  void keep_only(const std::set<std::string>& names);

 private:
  std::map<std::string, SteadyTime> until_;
};

}  // namespace latchkey::doors
