// Grants whose token in use dies with the refresh that is on its way (F9): nobody is handed it any more. Thread-safe.
#pragma once

#include <mutex>
#include <unordered_set>

#include "base/id.h"

namespace latchkey::grants {

class HeldBack {
 public:
  void add(GrantId grant) {
    const std::lock_guard lock(mutex_);
    grants_.insert(grant);
  }
  void remove(GrantId grant) {
    const std::lock_guard lock(mutex_);
    grants_.erase(grant);
  }
  [[nodiscard]] bool contains(GrantId grant) const {
    const std::lock_guard lock(mutex_);
    return grants_.contains(grant);
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_set<GrantId, base::IdHash> grants_;
};

}  // namespace latchkey::grants
