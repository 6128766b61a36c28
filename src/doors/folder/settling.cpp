#include "doors/folder/settling.h"

namespace latchkey::doors {

Milliseconds Settling::unchanged_for(const std::string& name, const Stamp& stamp, SteadyTime now) {
  auto& seen = seen_.try_emplace(name, Seen{.stamp = stamp, .since = now}).first->second;
  if (seen.stamp != stamp) seen = {.stamp = stamp, .since = now};
  return std::chrono::duration_cast<Milliseconds>(now - seen.since);
}

void Settling::carry_over(const std::string& name, const Stamp& stamp, Milliseconds unchanged, SteadyTime now) {
  seen_.insert_or_assign(name, Seen{.stamp = stamp, .since = now - unchanged});
}

void Settling::keep_only(const std::set<std::string>& names) {
  std::erase_if(seen_, [&](const auto& each) { return !names.contains(each.first); });
}

void Pauses::put(const std::string& name, SteadyTime until) {
  if (until_.size() < kMax || until_.contains(name)) until_.insert_or_assign(name, until);
}

std::set<std::string> Pauses::names() const {
  std::set<std::string> names;
  for (const auto& [name, until] : until_) names.insert(names.end(), name);
  return names;
}

bool Pauses::holds(const std::string& name, SteadyTime now) const {
  const auto found = until_.find(name);
  return found != until_.end() && now < found->second;
}

void Pauses::keep_only(const std::set<std::string>& names) {
  std::erase_if(until_, [&](const auto& each) { return !names.contains(each.first); });
}

}  // namespace latchkey::doors
