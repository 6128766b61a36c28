#include "doors/folder/settling.h"

namespace latchkey::doors {

Milliseconds Settling::unchanged_for(const std::string& name, const Stamp& stamp, SteadyTime now) {
  auto& seen = seen_.try_emplace(name, Seen{.stamp = stamp, .since = now}).first->second;
  if (seen.stamp != stamp) seen = {.stamp = stamp, .since = now};
  return std::chrono::duration_cast<Milliseconds>(now - seen.since);
}

void Settling::keep_only(const std::set<std::string>& names) {
  std::erase_if(seen_, [&](const auto& each) { return !names.contains(each.first); });
}

}  // namespace latchkey::doors
