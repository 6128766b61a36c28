// Documents on their way by a grant's access token, at this node: a refresh that ends that token waits for them (F9).
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "store/records.h"

namespace latchkey::grants {

// Thread-safe; outlives what it has given.
class TokenUses {
 public:
  // One document, as long as it lives.
  class Use {
   public:
    Use(Use&& other) noexcept : uses_(std::exchange(other.uses_, nullptr)), grant_(other.grant_) {}
    Use& operator=(Use&&) = delete;
    ~Use() {
      if (uses_ != nullptr) uses_->end(grant_);
    }

   private:
    friend class TokenUses;
    Use(TokenUses& uses, GrantId grant) : uses_(&uses), grant_(grant) {}
    TokenUses* uses_;
    GrantId grant_;
  };

  [[nodiscard]] Use begin(GrantId grant) {
    const std::lock_guard lock(mutex_);
    ++counts_[grant];
    return {*this, grant};
  }
  [[nodiscard]] bool any(GrantId grant) const {
    const std::lock_guard lock(mutex_);
    return counts_.contains(grant);
  }

 private:
  void end(GrantId grant) {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(grant);
    if (--found->second == 0) counts_.erase(found);
  }
  mutable std::mutex mutex_;
  std::map<GrantId, int> counts_;
};

// When to look again whether they have arrived. nullopt: the token ends so soon that they could not go on by it.
[[nodiscard]] std::optional<WallTime> after_uploads(const store::Grant& grant, WallTime now);

}  // namespace latchkey::grants
