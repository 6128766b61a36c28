// Audit entries with one wording, and who is acting.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "store/records.h"

namespace latchkey::people {

// Who asks for a change. A value.
struct Actor {
  std::string name;    // username, "cli", "setup"
  std::string source;  // address; empty: the control socket
  UserId user{};       // none: the CLI
};

// `action` as `user.created`; `subject` in words that survive deletion; `detail` without secrets.
[[nodiscard]] store::AuditEntry audit_entry(WallTime at, const Actor& actor, std::string action, std::string subject,
                                            UserId concerned, std::string detail = {});

}  // namespace latchkey::people
