#include "doors/webdav/collections.h"

#include <algorithm>

namespace latchkey::doors {

void DavCollections::forget_old(WallTime now) {
  for (auto one = owned_.begin(); one != owned_.end();) {
    std::erase_if(one->second.paths, [now](const auto& path) { return path.second <= now; });
    one = one->second.paths.empty() ? owned_.erase(one) : std::next(one);
  }
}

void DavCollections::forget_longest_unused() {
  const auto oldest = std::ranges::min_element(owned_, {}, [](const auto& one) { return one.second.used_at; });
  if (oldest != owned_.end()) owned_.erase(oldest);
}

bool DavCollections::make(const std::string& whose, const std::string& path) {
  const std::scoped_lock lock(mutex_);
  const auto now = wall_.now();
  forget_old(now);
  if (!owned_.contains(whose) && owned_.size() >= kOwnersMax) forget_longest_unused();
  auto& owned = owned_[whose];
  if (owned.paths.size() >= kOfOneMax && !owned.paths.contains(path)) return false;
  owned.paths[path] = now + kKeptFor;
  owned.used_at = now;
  return true;
}

void DavCollections::remove(const std::string& whose, std::string_view path) {
  const std::scoped_lock lock(mutex_);
  const auto found = owned_.find(whose);
  if (found == owned_.end()) return;
  const auto below = std::string(path) + "/";
  std::erase_if(found->second.paths, [&](const auto& one) { return one.first == path || one.first.starts_with(below); });
  if (found->second.paths.empty()) owned_.erase(found);
}

void DavCollections::use(const std::string& whose, const std::string& path) {
  const std::scoped_lock lock(mutex_);
  const auto found = owned_.find(whose);
  if (found == owned_.end()) return;
  const auto one = found->second.paths.find(path);
  if (one == found->second.paths.end()) return;
  found->second.used_at = wall_.now();
  one->second = found->second.used_at + kKeptFor;
}

std::vector<std::string> DavCollections::of(const std::string& whose) {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> paths;
  const auto found = owned_.find(whose);
  if (found == owned_.end()) return paths;
  const auto now = wall_.now();
  for (const auto& [path, until] : found->second.paths) {
    if (until > now) paths.push_back(path);
  }
  return paths;
}

}  // namespace latchkey::doors
