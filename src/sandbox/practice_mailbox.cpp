#include "sandbox/practice_mailbox.h"

#include <algorithm>

namespace latchkey::sandbox {
namespace {

constexpr std::size_t kKeyBytesMax = 100;
constexpr std::size_t kRecipientsMax = 500;

JsonObject message_json(const StoredMessage& message, const std::string& issuer) {
  JsonArray recipients;
  for (const auto& one : message.envelope.recipients) recipients.emplace_back(one);
  return {{"id", message.id},
          {"subject", message.subject},
          {"size", message.content.size()},
          {"sha256", message.sha256},
          {"mail_from", message.envelope.mail_from},
          {"recipients", std::move(recipients)},
          {"received_at", base::to_rfc3339(message.received_at)},
          {"url", issuer + std::string(PracticeMailbox::kPath) + "/" + message.id}};
}

std::vector<std::string> addresses_in(std::string_view list) {
  std::vector<std::string> addresses;
  while (!list.empty()) {
    const auto end = std::min(list.find(','), list.size());
    auto one = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (!one.empty()) addresses.emplace_back(one);
  }
  return addresses;
}

net::HttpResponse wrong_method() {
  return net::HttpResponse::problem(405, "method_not_allowed", "Use GET, POST here.").with("Allow", "GET, POST");
}

}  // namespace

net::HttpResponse PracticeMailbox::answer(const net::HttpRequest& request, const std::string& sub, const std::string& issuer,
                                          WallTime now) {
  if (request.path == kPath && request.method == "POST") return take(request, sub, issuer, now);
  if (request.method != "GET") return wrong_method();
  const auto messages = storage_.messages(sub);
  if (request.path == kPath) {
    JsonArray items;
    for (const StoredMessage* message : messages) items.emplace_back(message_json(*message, issuer));
    return net::HttpResponse::json(200, JsonObject{{"items", items}});
  }
  for (const StoredMessage* message : messages) {
    if (request.path != std::string(kPath) + "/" + message->id) continue;
    net::HttpResponse response;
    response.body = message->content;
    return std::move(response)
        .with("Content-Type", "message/rfc822")
        .with("Content-Disposition", "attachment")
        .with("X-Content-Type-Options", "nosniff");
  }
  return net::HttpResponse::problem(404, "not_found", "No such message.");
}

net::HttpResponse PracticeMailbox::take(const net::HttpRequest& request, const std::string& sub, const std::string& issuer,
                                        WallTime now) {
  if (request.body.empty()) return net::HttpResponse::problem(400, "empty_message", "The body is the message (RFC 5322).");
  PracticeEnvelope envelope{.mail_from = std::string(request.headers.value_or("Envelope-From")),
                            .recipients = addresses_in(request.headers.value_or("Envelope-To")),
                            .key = std::string(request.headers.value_or("Idempotency-Key"))};
  if (envelope.key.size() > kKeyBytesMax)
    return net::HttpResponse::problem(400, "bad_key", "A key has at most 100 characters.");
  if (envelope.recipients.size() > kRecipientsMax)
    return net::HttpResponse::problem(400, "too_many_recipients", "A message goes to at most 500 recipients.");
  if (const auto* before = storage_.find_message(sub, envelope.key)) {
    if (before->content != request.body)
      return net::HttpResponse::problem(409, "key_reused", "Another message came with that key.");
    return net::HttpResponse::json(200, message_json(*before, issuer));
  }
  return net::HttpResponse::json(202,
                                 message_json(storage_.add_message(sub, request.body, now, std::move(envelope)), issuer));
}

}  // namespace latchkey::sandbox
