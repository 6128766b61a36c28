#include "connectors/practice_mailbox.h"

#include <algorithm>
#include <cctype>

#include "connectors/mail_envelope.h"

namespace latchkey::connectors {
namespace {

constexpr std::uint64_t kMessageBytesMax = 4 * 1024 * 1024;  // as the practice mailbox takes
const std::string kService = "The practice mailbox";

std::uint64_t size_in(const JsonObject& message) {
  const auto* found = message.if_contains("size");
  return found != nullptr && found->is_int64() && found->get_int64() > 0 ? static_cast<std::uint64_t>(found->get_int64())
                                                                         : 0;
}

std::string joined(const std::vector<std::string>& addresses) {
  std::string out;
  for (const auto& one : addresses) out += (out.empty() ? "" : ", ") + one;
  return out;
}

Result<Receipt> receipt_of(const JsonObject& message, const StoreOrder& order) {
  Receipt receipt{.id = base::string_or(message, "id"),
                  .link = base::string_or(message, "url"),
                  .path = order.path,
                  .size_bytes = size_in(message),
                  .hash = "sha256:" + base::string_or(message, "sha256"),
                  .proof = Proof::hash};
  if (receipt.size_bytes == order.document->size_bytes() &&
      receipt.hash == "sha256:" + base::to_hex(order.document->sha256()))
    return receipt;
  return fail(ErrorKind::corrupt, "hash_mismatch",
              kService + " has another message than was sent. Look at it there before trying again.",
              {.detail = receipt.hash});
}

}  // namespace

Abilities PracticeMailbox::abilities() const {
  return {.idempotent = true, .resumable = false, .size_bytes_max = kMessageBytesMax, .listed_kind = "message", .carries_mail = true};
}

Task<Result<Receipt>> PracticeMailbox::store(StoreOrder order) {
  const auto envelope = envelope_in(order.fields_json);
  if (!envelope) co_return std::unexpected(envelope.error());
  if (order.document->size_bytes() > kMessageBytesMax)
    co_return fail(ErrorKind::refused, "too_large_for_target", kService + " takes no message of more than 4 MiB.");
  auto message = co_await order.document->read(0, kMessageBytesMax);
  if (!message) co_return std::unexpected(message.error());
  ApiSession api(transport_, *order.tokens);
  ApiSession::Request request{.method = "POST", .url = order.base_url + "/mail/messages"};
  request.headers.set("Content-Type", "message/rfc822");
  request.headers.set("Idempotency-Key", order.key);
  request.headers.set("Envelope-From", envelope->mail_from);
  request.headers.set("Envelope-To", joined(envelope->recipients));
  request.body = std::move(*message);
  const auto reply = co_await api.call(std::move(request));
  if (!reply) co_return std::unexpected(reply.error());
  if (!reply->ok()) co_return std::unexpected(error_of(*reply, kService));
  co_return receipt_of(reply->json(), order);
}

Task<Result<std::vector<ListItem>>> PracticeMailbox::list(ListQuestion question) {
  if (question.kind != "message")
    co_return fail(ErrorKind::invalid, "unknown_kind", "The practice mailbox lists `message`.", {.field = "kind"});
  ApiSession api(transport_, *question.tokens);
  const auto reply = co_await api.call({.method = "GET", .url = question.base_url + "/mail/messages"});
  if (!reply) co_return std::unexpected(reply.error());
  if (!reply->ok()) co_return std::unexpected(error_of(*reply, kService));
  const auto contains = [&](const std::string& subject) {
    return !std::ranges::search(subject, question.filter, [](char left, char right) {
              return std::tolower(static_cast<unsigned char>(left)) == std::tolower(static_cast<unsigned char>(right));
            }).empty();
  };
  std::vector<ListItem> items;
  const auto json = reply->json();
  const auto* rows = base::find_array(json, "items");
  if (rows == nullptr) co_return items;
  for (const auto& row : *rows) {
    if (!row.is_object() || items.size() >= question.limit) continue;
    auto subject = base::string_or(row.get_object(), "subject");
    if (!question.filter.empty() && !contains(subject)) continue;
    items.push_back({.id = base::string_or(row.get_object(), "id"),
                     .name = std::move(subject),
                     .kind = "message",
                     .size_bytes = size_in(row.get_object())});
  }
  co_return items;
}

}  // namespace latchkey::connectors
