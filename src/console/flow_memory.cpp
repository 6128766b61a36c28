#include "console/flow_memory.h"

#include "base/bytes.h"

namespace latchkey::console {

void FlowMemory::begun(AuthorizationId id, FlowNote note) {
  const std::lock_guard lock(mutex_);
  if (notes_.insert_or_assign(id, std::move(note)).second) note_order_.push_back(id);
  while (note_order_.size() > kFlowsMax) {
    notes_.erase(note_order_.front());
    note_order_.pop_front();
  }
}

std::optional<FlowNote> FlowMemory::find(AuthorizationId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = notes_.find(id);
  if (found == notes_.end()) return std::nullopt;
  return found->second;
}

std::vector<AuthorizationId> FlowMemory::begun_by(const Bytes& session_hash, std::string_view username) const {
  std::vector<AuthorizationId> found;
  if (session_hash.empty() || username.empty()) return found;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, note] : notes_) {
    if (note.username == username && note.session_hash == session_hash) found.push_back(id);
  }
  return found;
}

void FlowMemory::started(std::string_view ticket, bool by_owner) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, note] : notes_) {
    if (note.ticket != ticket) continue;
    note.started = true;
    note.by_owner = by_owner;
  }
}

std::string FlowMemory::keep(FlowResult result) {
  auto key = base::to_base64url(entropy_.bytes(16));
  const std::lock_guard lock(mutex_);
  results_.insert_or_assign(key, std::move(result));
  result_order_.push_back(key);
  while (result_order_.size() > kFlowsMax) {
    results_.erase(result_order_.front());
    result_order_.pop_front();
  }
  return key;
}

std::optional<FlowResult> FlowMemory::result(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto found = results_.find(key);
  if (found == results_.end()) return std::nullopt;
  return found->second;
}

}  // namespace latchkey::console
