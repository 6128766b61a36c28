// Which line of history a database is on: its cluster and timeline. The timeline grows where a standby takes over (or an older state is
// recovered), and what had been committed shortly before may not have reached it.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace latchkey::store {

// Thread-safe: written by the store's connections, read by anybody.
class Lineage {
 public:
  struct Sight {
    std::string name;               // "CLUSTER/TIMELINE" (eight hexadecimal digits); empty: the database does not tell, or has not been asked
    std::uint64_t losses = 0;  // of connections so far: whoever comes back may have come to another database of the same name
    friend bool operator==(const Sight&, const Sight&) = default;
  };
  [[nodiscard]] Sight sight() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  // As a connection just opened has found it. False: its server is a former one, whose place another one of its cluster has taken; it
  // must be neither read nor written.
  [[nodiscard]] bool note(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (is_former(name, now_.name)) return false;
    now_.name = name;
    return true;
  }
  // A connection has broken, or is given up.
  void lose() {
    const std::lock_guard lock(mutex_);
    now_.losses += 1;
  }
  // What an earlier process has seen last.
  void remember(std::string name) {
    const std::lock_guard lock(mutex_);
    now_.name = std::move(name);
  }

 private:
  static bool is_former(std::string_view name, std::string_view known) {
    const auto slash = known.find('/');
    if (slash == std::string_view::npos || name.size() != known.size()) return false;
    return name.substr(0, slash) == known.substr(0, slash) && name.substr(slash) < known.substr(slash);
  }

  mutable std::mutex mutex_;
  Sight now_;
};

}  // namespace latchkey::store
