#include "connectors/api_call.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include "oauth/redaction.h"

namespace latchkey::connectors {
namespace {

constexpr Seconds kRetryAfterMax{86'400};
// A document on its way: how long nothing at all may move, and the slowest line that is still worth waiting for.
constexpr Seconds kStallMax{120};
constexpr std::uint64_t kSlowestBytesAMillisecond = 16;
constexpr std::size_t kQuotedBytesMax = 2000;

// A listing may be long, and hardly any answer holds the token: it is looked for as it was sent first.
void strike_out(ApiReply& reply, const Secret& token) {
  if (reply.ok() && !base::as_text(reply.body).contains(token.reveal_text())) return;
  std::string words(base::as_text(reply.body));
  oauth::strike_out(words, std::span(&token, 1));
  reply.body = base::to_bytes(words);
}

Error without(const Secret& token, Error error) {
  oauth::strike_out(error.text, std::span(&token, 1));
  oauth::strike_out(error.detail, std::span(&token, 1));
  return error;
}

}  // namespace

JsonObject ApiReply::json() const {
  auto parsed = parse_json(base::as_text(body));
  if (!parsed || !parsed->is_object()) return {};
  return std::move(parsed->get_object());
}

std::optional<Seconds> retry_after_of(const net::HttpHeaders& headers) {
  const auto text = headers.value_or("Retry-After");
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return std::clamp(Seconds(seconds), Seconds(1), kRetryAfterMax);
}

std::string words_of(const ApiReply& reply) {
  return "status " + std::to_string(reply.status) + " " + oauth::redacted(base::as_text(reply.body).substr(0, kQuotedBytesMax));
}

Error error_of(const ApiReply& reply, const std::string& service) {
  const auto detail = words_of(reply);
  const auto make = [&](ErrorKind kind, std::string reason, std::string text) {
    return Error{.kind = kind,
                 .reason = std::move(reason),
                 .text = std::move(text),
                 .detail = detail,
                 .field = {},
                 .retry_after = retry_after_of(reply.headers)};
  };
  switch (reply.status) {
    case 403:
      return make(ErrorKind::needs_person, "access_refused",
                  service + " does not let this account write there. Check the account's rights at the destination.");
    case 404:
      return make(ErrorKind::not_found, "no_such_target", service + " knows no such place. Check the connector's target.");
    case 409:
      return make(ErrorKind::conflict, "exists",
                  "A document of that name is there already, and the connector's rule is not to touch it.");
    case 413:
      return make(ErrorKind::refused, "too_large_for_target", service + " takes no document of this size.");
    case 507:
      return make(ErrorKind::needs_person, "target_full", service + " has no room left. Make room there.");
    case 408:
    case 425:
    case 429:
      return make(ErrorKind::unavailable, "target_busy", service + " asks to wait.");
    default:
      break;
  }
  if (reply.status >= 500)
    return make(ErrorKind::unavailable, "target_unavailable",
                service + " does not work at the moment (it answers " + std::to_string(reply.status) + ").");
  return make(ErrorKind::refused, "target_refused",
              service + " refused the document (it answers " + std::to_string(reply.status) + ").");
}

Task<Result<ApiReply>> ApiSession::call(Request request) {
  if (!token_) {
    auto token = co_await tokens_.token();
    if (!token) co_return std::unexpected(token.error());
    token_ = std::move(*token);
  }
  auto reply = co_await call_once(request);
  if (!reply || reply->status != 401) co_return reply;
  auto token = co_await tokens_.another_token();
  if (!token) co_return std::unexpected(token.error());
  token_ = std::move(*token);
  reply = co_await call_once(request);
  if (reply && reply->status == 401) {
    co_return fail(ErrorKind::needs_person, "token_refused",
                   "The service refuses this account's access, a fresh one too. Authorise the account again.",
                   {.detail = words_of(*reply)});
  }
  co_return reply;
}

Task<Result<ApiReply>> ApiSession::call_once(const Request& request) {
  net::HttpCall call{.method = request.method, .url = request.url, .headers = request.headers, .body = std::nullopt};
  if (request.body) call.body = request.body->clone();
  call.headers.set("Authorization", "Bearer " + std::string(token_->reveal_text()));
  call.total_timeout = request.patience;
  if (request.parts != nullptr) {
    call.parts = request.parts;
    call.stall_timeout = kStallMax;
    call.total_timeout += Milliseconds(request.parts->size_bytes() / kSlowestBytesAMillisecond);
  }
  call.response_bytes_max = request.reply_bytes_max;
  // A connection that proves dead may have taken the call: whether it may be sent again is the connector's business.
  call.reuse = net::Reuse::may_reuse;
  auto outcome = co_await transport_.send(std::move(call));
  if (auto* reply = std::get_if<net::Reply>(&outcome)) {
    ApiReply answered{.status = reply->status, .headers = std::move(reply->headers), .body = std::move(reply->body)};
    strike_out(answered, *token_);
    co_return answered;
  }
  if (auto* unsent = std::get_if<net::NothingSent>(&outcome)) co_return std::unexpected(without(*token_, std::move(unsent->error)));
  co_return std::unexpected(without(*token_, std::move(std::get<net::Ambiguous>(outcome).error)));
}

}  // namespace latchkey::connectors
