// One request at a door, from its header to its answer, as the page of the device that it was with may show it. Of a
// person's request nothing is written down.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_server.h"
#include "net/http_types.h"
#include "people/device_conversations.h"
#include "people/principal.h"

namespace latchkey::doors {

class CountedBody;

// A value, of the request's own task.
class HeardRequest {
 public:
  HeardRequest(const net::HttpRequest& request, WallTime began_at);

  // What the gate has said; not called: it was not asked.
  void judged(const Result<people::Principal>& who);
  // The body of a streaming route, which counts what is pulled from here on.
  [[nodiscard]] std::shared_ptr<net::HttpBody> counting(std::shared_ptr<net::HttpBody> body);

  [[nodiscard]] bool is_of_nobody() const { return whose_ == Whose::nobody; }
  [[nodiscard]] std::optional<DeviceId> device() const;
  // Of a request that let nobody in, as DoorGate::supposed() takes them.
  struct Shown {
    std::string name;     // in Authorization, whether or not it was right; empty: none
    std::string address;  // empty: the name is known to be whose it is, and the address tells nothing
  };
  [[nodiscard]] Shown shown() const;
  // `door`: as people::Conversation has it.
  [[nodiscard]] people::Conversation conversation(const net::HttpResponse& answer, WallTime ended_at,
                                                  std::string_view door) const;

 private:
  enum class Whose { nobody, person, device };

  net::HttpRequest request_;  // without its body
  std::size_t body_bytes_;    // of one that was gathered
  std::shared_ptr<const CountedBody> streamed_;
  WallTime began_at_;
  Whose whose_ = Whose::nobody;
  bool name_is_right_ = false;
  DeviceId device_;
};

}  // namespace latchkey::doors
