// Hears the requests at the doors that speak HTTP, for the page of the device that each was with (docs/design/devices.md).
//
// Invariants: a person leaves nothing, and whoever is let in costs the store no question. Which device a refused request was
// with is asked behind its answer, so that the time of an answer tells nothing (RULES T5), and so many times a second at
// most: what a flood is refused beyond that leaves nothing.
//
// Concurrency: hear() and keep() from any worker; built, stopped and destroyed on the executor's thread.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "base/task_group.h"
#include "doors/http/heard_request.h"
#include "doors/question_pace.h"
#include "people/device_conversations.h"
#include "people/door_gate.h"

namespace latchkey::doors {

inline constexpr std::string_view kHttpDoor = "http";
inline constexpr std::string_view kDavDoor = "webdav";

// A resource.
class DeviceEar {
 public:
  static constexpr std::size_t kQuestionsAtOnce = 20;

  struct Parts {
    people::DoorGate& gate;
    people::DeviceConversations& conversations;
    const WallClock& wall;
    SteadyClock& steady;
    Log& log;
    Executor executor;  // which asks
  };
  explicit DeviceEar(Parts parts) : parts_(std::move(parts)), asking_(parts_.executor, parts_.log) {}
  DeviceEar(const DeviceEar&) = delete;
  DeviceEar& operator=(const DeviceEar&) = delete;

  [[nodiscard]] HeardRequest hear(const net::HttpRequest& request) const { return {request, parts_.wall.now()}; }
  // Once the answer is known, before it leaves.
  void keep(const HeardRequest& heard, const net::HttpResponse& answer, std::string_view door);
  // Questions under way; on the executor's thread.
  [[nodiscard]] std::size_t asking() const { return asking_.running(); }
  // What has not been answered by then leaves nothing.
  [[nodiscard]] Task<void> stop() { co_await asking_.cancel_and_wait(); }

 private:
  [[nodiscard]] Task<void> find_and_keep(HeardRequest::Shown shown, people::Conversation conversation);

  Parts parts_;
  TaskGroup asking_;
  QuestionPace pace_;
};

}  // namespace latchkey::doors
