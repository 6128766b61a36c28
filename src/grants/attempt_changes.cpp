#include "grants/attempt_changes.h"

namespace latchkey::grants {

namespace {

void wake(auto& watched) {
  ++watched.changes;
  watched.wake.notify_all();
}

}  // namespace

AttemptChanges::AttemptChanges(Executor executor)
    : executor_(executor), all_(std::make_shared<All>()), any_(std::move(executor)) {}
AttemptChanges::~AttemptChanges() = default;

void AttemptChanges::changed(const AuthorizationId& id) {
  if (const auto found = all_->find(id); found != all_->end()) wake(found->second);
  any_.notify_all();
}

void AttemptChanges::wake_all() {
  for (auto& [id, watched] : *all_) wake(watched);
  any_.notify_all();
}

AttemptChanges::Watch::Watch(AttemptChanges& changes, const AuthorizationId& id)
    : all_(changes.all_), watched_(all_->try_emplace(id, changes.executor_).first), seen_(watched_->second.changes) {
  ++watched_->second.watches;
}

AttemptChanges::Watch::~Watch() {
  if (--watched_->second.watches == 0) all_->erase(watched_);
}

Task<void> AttemptChanges::Watch::wait_for(SteadyClock& clock, std::chrono::nanoseconds span) {
  if (watched_->second.changes == seen_) co_await watched_->second.wake.wait_for(clock, span);
  seen_ = watched_->second.changes;
}

}  // namespace latchkey::grants
