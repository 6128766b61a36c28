// The last conversations of devices at the doors, for whoever looks for what a machine does wrong: in memory, of this
// server, since its start. What is kept has no secrets in it: the doors see to that.
//
// Where each request is a connection of its own (HTTP, WebDAV), requests that follow each other are one conversation: of one
// device, from one source, at one door, each within a minute of the one before, until their lines are too many.
//
// Bounds: five conversations of a device, and five more that are only supposed to be its, which anybody may hold and which push out
// none of the others; 4 MB in all, of which the supposed ones go first, and of each kind the oldest. Thread-safe.
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
  std::string door;    // "smtp", "http", "webdav"
  std::string source;  // an address
  std::vector<ConversationLine> lines;
  bool is_supposed = false;  // nobody was let in: it is taken for the device's by the name or address that was shown
};

class DeviceConversations {
 public:
  struct Bounds {
    std::size_t of_one = 5;  // of either kind
    std::size_t octets = 4'000'000;
    std::size_t lines_joined = 120;  // no request is added beyond
  };
  DeviceConversations() : DeviceConversations(Bounds()) {}
  explicit DeviceConversations(Bounds bounds) : bounds_(bounds) {}

  void keep(DeviceId device, Conversation conversation);
  // One request with its answer: the end of a conversation that it follows, else a conversation of its own.
  void join(DeviceId device, Conversation request);
  // That which began last first.
  [[nodiscard]] std::vector<Conversation> of(DeviceId device) const;

 private:
  struct Kept {
    DeviceId device;
    Conversation conversation;
    std::size_t octets = 0;
  };
  void add(DeviceId device, Conversation conversation);
  void drop(std::deque<Kept>::iterator one);
  [[nodiscard]] bool follows(const Conversation& before, const Conversation& request) const;

  const Bounds bounds_;
  mutable std::mutex mutex_;  // guards what follows
  std::deque<Kept> kept_;     // the oldest first
  std::size_t octets_ = 0;
};

}  // namespace latchkey::people
