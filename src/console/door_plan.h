// What this server's doors listen on, as devices and people must be told it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace latchkey::console {

// A listener of the SMTP door.
struct MailListener {
  std::string security;  // "starttls", "tls", "none"
  std::uint16_t port = 0;
  std::vector<std::string> sources;  // the only addresses it takes; empty: all
};

// A connector's directory for file servers, and whether somebody has made it: that is what switches it on.
struct DropFolder {
  std::string path;
  bool there = false;
};

// A value.
struct DoorPlan {
  std::vector<MailListener> mail;  // empty: the SMTP door is off
  std::string drop_domain;         // mail to CONNECTOR@it is delivered
  // nullopt: there are no drop folders here. From any thread, without blocking.
  std::function<std::optional<DropFolder>(const std::string& connector)> drop_folder;
};

}  // namespace latchkey::console
