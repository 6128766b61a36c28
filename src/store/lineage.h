// Which line of history a database is on. It changes where a standby has taken over, or an older state was put back: what had been
// committed shortly before may not have reached it.
#pragma once

#include <mutex>
#include <string>

namespace latchkey::store {

// Thread-safe: written by the store's connections, read by anybody.
class Lineage {
 public:
  // Empty: the database does not tell, or has not been asked.
  [[nodiscard]] std::string get() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  // As the connection opened last has found it.
  void note(std::string found) {
    const std::lock_guard lock(mutex_);
    now_ = std::move(found);
  }

 private:
  mutable std::mutex mutex_;
  std::string now_;
};

}  // namespace latchkey::store
