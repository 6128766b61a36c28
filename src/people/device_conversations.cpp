#include "people/device_conversations.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <ranges>
#include <utility>

namespace latchkey::people {
namespace {

constexpr Seconds kApartMost{60};

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
  const std::lock_guard lock(mutex_);
  add(device, std::move(conversation));
}

void DeviceConversations::join(DeviceId device, Conversation request) {
  const std::lock_guard lock(mutex_);
  const auto last = std::ranges::find_if(kept_ | std::views::reverse, [&](const Kept& one) {
    return one.device == device && one.conversation.is_supposed == request.is_supposed && one.conversation.door == request.door &&
           one.conversation.source == request.source;
  });
  if (last != kept_.rend() && follows(last->conversation, request)) {
    auto whole = std::move(last->conversation);
    drop(std::prev(last.base()));
    whole.began_at = std::min(whole.began_at, request.began_at);
    whole.ended_at = std::max(whole.ended_at, request.ended_at);
    std::ranges::move(request.lines, std::back_inserter(whole.lines));
    request = std::move(whole);
  }
  add(device, std::move(request));
}

// Requests of one device may overlap.
bool DeviceConversations::follows(const Conversation& before, const Conversation& request) const {
  return request.began_at - before.ended_at <= kApartMost &&
         before.lines.size() + request.lines.size() <= bounds_.lines_joined;
}

void DeviceConversations::add(DeviceId device, Conversation conversation) {
  const auto octets = octets_of(conversation);
  kept_.push_back({device, std::move(conversation), octets});
  octets_ += octets;
  const auto is_alike = [device, is_supposed = kept_.back().conversation.is_supposed](const Kept& one) {
    return one.device == device && one.conversation.is_supposed == is_supposed;
  };
  if (std::ranges::count_if(kept_, is_alike) > static_cast<std::ptrdiff_t>(bounds_.of_one)) drop(std::ranges::find_if(kept_, is_alike));
  while (octets_ > bounds_.octets && !kept_.empty()) {
    const auto supposed = std::ranges::find_if(kept_, [](const Kept& each) { return each.conversation.is_supposed; });
    drop(supposed == kept_.end() ? kept_.begin() : supposed);
  }
}

std::vector<Conversation> DeviceConversations::of(DeviceId device) const {
  const std::lock_guard lock(mutex_);
  std::vector<Conversation> found;
  for (const auto& one : kept_ | std::views::reverse) {
    if (one.device == device) found.push_back(one.conversation);
  }
  // Those that end together may be kept in either order.
  std::ranges::stable_sort(found, std::ranges::greater(), &Conversation::began_at);
  return found;
}

}  // namespace latchkey::people
