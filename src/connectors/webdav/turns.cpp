#include "connectors/webdav/turns.h"

#include "base/pool.h"

namespace latchkey::connectors {

Task<Turns::Turn> Turns::take(std::string place) {
  auto start = [this, place](auto resume) mutable {
    {
      const std::lock_guard lock(mutex_);
      const auto [queue, is_free] = waiting_.try_emplace(place);
      if (!is_free) {
        queue->second.emplace_back(std::move(resume));
        return;
      }
    }
    resume(true);
  };
  co_await base::suspend_until<bool>(std::move(start));
  co_return Turn(*this, std::move(place));
}

void Turns::end(const std::string& place) {
  std::move_only_function<void(bool)> next;
  {
    const std::lock_guard lock(mutex_);
    const auto queue = waiting_.find(place);
    if (queue->second.empty()) {
      waiting_.erase(queue);
      return;
    }
    next = std::move(queue->second.front());
    queue->second.pop_front();
  }
  next(true);
}

}  // namespace latchkey::connectors
