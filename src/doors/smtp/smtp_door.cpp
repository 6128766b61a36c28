#include "doors/smtp/smtp_door.h"

#include "doors/smtp/smtp_conversation.h"

namespace latchkey::doors {

net::StreamCaller SmtpDoor::caller(std::size_t listener, const net::IpAddress& peer) const {
  const auto& rule = parts_.settings.listeners[listener];
  if (rule.kind != SmtpListenerKind::trusted) return net::StreamCaller::any;
  return rule.names(peer) ? net::StreamCaller::named : net::StreamCaller::stranger;
}

Task<void> SmtpDoor::serve(std::shared_ptr<net::StreamConnection> connection) {
  parts_.smtp_counters.connections += 1;
  SmtpConversation conversation(parts_, pace_, std::move(connection));
  co_await conversation.run();
}

}  // namespace latchkey::doors
