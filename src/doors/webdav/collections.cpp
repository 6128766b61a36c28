#include "doors/webdav/collections.h"

namespace latchkey::doors {

void DavCollections::forget_old(WallTime now) {
  for (auto one = paths_.begin(); one != paths_.end();) {
    std::erase_if(one->second, [now](const auto& path) { return path.second <= now; });
    one = one->second.empty() ? paths_.erase(one) : std::next(one);
  }
}

bool DavCollections::make(const std::string& whose, const std::string& path) {
  const std::scoped_lock lock(mutex_);
  const auto now = wall_.now();
  forget_old(now);
  if (!paths_.contains(whose) && paths_.size() >= kOwnersMax) return false;
  auto& paths = paths_[whose];
  if (paths.size() >= kOfOneMax && !paths.contains(path)) return false;
  paths[path] = now + kKeptFor;
  return true;
}

void DavCollections::remove(const std::string& whose, std::string_view path) {
  const std::scoped_lock lock(mutex_);
  const auto found = paths_.find(whose);
  if (found == paths_.end()) return;
  const auto below = std::string(path) + "/";
  std::erase_if(found->second, [&](const auto& one) { return one.first == path || one.first.starts_with(below); });
  if (found->second.empty()) paths_.erase(found);
}

void DavCollections::use(const std::string& whose, const std::string& path) {
  const std::scoped_lock lock(mutex_);
  const auto found = paths_.find(whose);
  if (found == paths_.end()) return;
  if (const auto one = found->second.find(path); one != found->second.end()) one->second = wall_.now() + kKeptFor;
}

std::vector<std::string> DavCollections::of(const std::string& whose) {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> paths;
  const auto found = paths_.find(whose);
  if (found == paths_.end()) return paths;
  const auto now = wall_.now();
  for (const auto& [path, until] : found->second) {
    if (until > now) paths.push_back(path);
  }
  return paths;
}

}  // namespace latchkey::doors
