#include "people/device_conversations.h"

#include <algorithm>
#include <ranges>

namespace latchkey::people {
namespace {

std::size_t octets_of(const Conversation& conversation) {
  std::size_t octets = sizeof(Conversation) + conversation.source.size();
  for (const auto& line : conversation.lines) octets += sizeof(ConversationLine) + line.text.size();
  return octets;
}

}  // namespace

void DeviceConversations::drop(std::deque<Kept>::iterator one) {
  octets_ -= one->octets;
  kept_.erase(one);
}

void DeviceConversations::keep(DeviceId device, Conversation conversation) {
  const auto octets = octets_of(conversation);
  const std::lock_guard lock(mutex_);
  kept_.push_back({device, std::move(conversation), octets});
  octets_ += octets;
  if (std::ranges::count(kept_, device, &Kept::device) > static_cast<std::ptrdiff_t>(bounds_.of_one))
    drop(std::ranges::find(kept_, device, &Kept::device));
  while (octets_ > bounds_.octets && !kept_.empty()) drop(kept_.begin());
}

std::vector<Conversation> DeviceConversations::of(DeviceId device) const {
  const std::lock_guard lock(mutex_);
  std::vector<Conversation> found;
  for (const auto& one : kept_ | std::views::reverse) {
    if (one.device == device) found.push_back(one.conversation);
  }
  return found;
}

}  // namespace latchkey::people
