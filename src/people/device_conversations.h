// The last conversations of devices at the doors, for whoever looks for what a machine does wrong: in memory, of this
// server, since its start. What is kept has no secrets in it: the doors see to that.
//
// Bounds: five conversations of a device, 4 MB in all; the oldest go first. Thread-safe.
#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"

namespace latchkey::people {

// A value.
struct ConversationLine {
  enum class Speaker { device, server, note };
  Speaker speaker = Speaker::note;
  std::string text;
  friend bool operator==(const ConversationLine&, const ConversationLine&) = default;
};

// A value.
struct Conversation {
  WallTime began_at{};
  WallTime ended_at{};
  std::string door;    // "smtp"
  std::string source;  // an address
  std::vector<ConversationLine> lines;
};

class DeviceConversations {
 public:
  struct Bounds {
    std::size_t of_one = 5;
    std::size_t octets = 4'000'000;
  };
  DeviceConversations() : DeviceConversations(Bounds()) {}
  explicit DeviceConversations(Bounds bounds) : bounds_(bounds) {}

  void keep(DeviceId device, Conversation conversation);
  // The latest first.
  [[nodiscard]] std::vector<Conversation> of(DeviceId device) const;

 private:
  struct Kept {
    DeviceId device;
    Conversation conversation;
    std::size_t octets = 0;
  };
  void drop(std::deque<Kept>::iterator one);

  const Bounds bounds_;
  mutable std::mutex mutex_;  // guards what follows
  std::deque<Kept> kept_;     // the oldest first
  std::size_t octets_ = 0;
};

}  // namespace latchkey::people
