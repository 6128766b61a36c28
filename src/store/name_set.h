// A set of names as one value of a query: names in lines, each between line feeds, so that a query can ask for whole ones.
#pragma once

#include <string>
#include <vector>

namespace latchkey::store {

// Names without line feeds.
[[nodiscard]] inline std::string set_of(const std::vector<std::string>& names) {
  std::string lines = "\n";
  for (const auto& name : names) lines.append(name).push_back('\n');
  return lines;
}

}  // namespace latchkey::store
