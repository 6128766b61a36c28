#include "doors/http/device_ear.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace latchkey::doors {

void DeviceEar::keep(const HeardRequest& heard, const net::HttpResponse& answer, std::string_view door) {
  if (const auto device = heard.device()) {
    parts_.conversations.join(*device, heard.conversation(answer, parts_.wall.now(), door));
    return;
  }
  if (!heard.is_of_nobody() || answer.status < 400 || !pace_.may_ask(parts_.steady.now())) return;
  boost::asio::post(parts_.executor, [this, shown = heard.shown(),
                                      conversation = heard.conversation(answer, parts_.wall.now(), door)]() mutable {
    if (asking_.running() >= kQuestionsAtOnce) return;
    asking_.spawn("whose request", find_and_keep(std::move(shown), std::move(conversation)));
  });
}

Task<void> DeviceEar::find_and_keep(HeardRequest::Shown shown, people::Conversation conversation) {
  const auto device = co_await parts_.gate.supposed(std::move(shown.name), std::move(shown.address));
  conversation.is_supposed = true;
  if (device) parts_.conversations.join(*device, std::move(conversation));
}

}  // namespace latchkey::doors
