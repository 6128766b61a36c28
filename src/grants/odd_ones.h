// Who of an app's grants fails by itself: a failure says something of the provider, or of the app's registration, only as long
// as no other grant of the app has fared better since (R19, R21).
//
// Bounds: kOddOnesMax of each kind; whoever comes beyond them counts like everybody else.
// Not thread-safe: the keeper's executor only. A value.
#pragma once

#include <cstddef>
#include <set>

#include "base/id.h"

namespace latchkey::grants {

inline constexpr std::size_t kOddOnesMax = 20'000;

class OddOnes {
 public:
  // False: it has failed before while others were served, so this says nothing of anybody else.
  [[nodiscard]] bool note_failure(GrantId grant) {
    if (odd_.contains(grant)) return false;
    if (failing_.size() < kOddOnesMax) failing_.insert(grant);
    return true;
  }
  // Whoever has failed since the last one was served fails by itself.
  void note_served(GrantId grant) {
    odd_.erase(grant);
    failing_.erase(grant);
    if (odd_.size() + failing_.size() <= kOddOnesMax) odd_.merge(failing_);
    failing_.clear();
  }
  [[nodiscard]] bool is_odd(GrantId grant) const { return odd_.contains(grant); }
  // Or is suspected of it.
  [[nodiscard]] bool has_failed(GrantId grant) const { return odd_.contains(grant) || failing_.contains(grant); }
  // How many have failed since the last one was served, the odd ones left out.
  [[nodiscard]] std::size_t failing() const { return failing_.size(); }

 private:
  std::set<GrantId> failing_;
  std::set<GrantId> odd_;
};

}  // namespace latchkey::grants
