// One alert for what others can bring about as often as they like: one for each address, user or record would drown all else.
#pragma once

#include <vector>

#include "grants/alerts.h"

namespace latchkey::grants {

enum class FoldedSince {
  first,   // of them: how long it has been going on
  latest,  // whoever put it away sees it again with the next
};

// `alerts`, as Alerts::current() has them, with those of each such kind made one where there are more than `apart`: its cause is the
// kind's name, its number how many there are, with those that Alerts only counts.
[[nodiscard]] std::vector<Alert> folded(std::vector<Alert> alerts, std::size_t apart, FoldedSince since);

}  // namespace latchkey::grants
