// Letters to people whose PIN an administrator has set anew (RULES K7): by mail, where they have an address and the server a relay.
#pragma once

#include <string>

#include "base/log.h"
#include "base/task_group.h"
#include "grants/notice_desk.h"
#include "store/records.h"

namespace latchkey::app {

class PinLetters {
 public:
  struct Parts {
    Executor executor;            // of the desk and of the tasks
    base::TaskGroup& tasks;
    grants::NoticeDesk& notices;
    Log& log;
    std::string public_url;       // without a trailing slash
  };
  explicit PinLetters(Parts parts) : parts_(std::move(parts)) {}

  // From any thread; in the background. One that cannot be sent is not tried again: the administrators' alert stands.
  void tell(const store::User& user, const std::string& by);

 private:
  Parts parts_;
};

}  // namespace latchkey::app
