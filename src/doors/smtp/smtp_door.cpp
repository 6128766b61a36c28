#include "doors/smtp/smtp_door.h"

#include "doors/smtp/smtp_conversation.h"

namespace latchkey::doors {

Task<void> SmtpDoor::serve(std::shared_ptr<net::StreamConnection> connection) {
  parts_.smtp_counters.connections += 1;
  SmtpConversation conversation(parts_, std::move(connection));
  co_await conversation.run();
}

}  // namespace latchkey::doors
