#include "doors/http/door_request.h"

#include <string>

#include "doors/address_text.h"

namespace latchkey::doors {
namespace {

using net::HttpRequest;
using net::HttpResponse;

people::Transport transport_of(const HttpRequest& request) {
  if (request.scheme == "https") return people::Transport::tls;
  return request.is_confidential() ? people::Transport::loopback : people::Transport::clear;
}

int status_of(const Error& error) {
  if (error.reason == "too_many_attempts" || error.reason == "too_many_uploads_of_one" ||
      error.reason == "too_many_downloads_of_one" || error.reason == "mail_cap_reached")
    return 429;
  if (error.reason == "use_not_allowed" || error.reason == "insecure_transport") return 403;
  if (error.reason == "recipient_not_allowed" || error.reason == "too_many_recipients") return 403;
  if (error.reason == "mail_header_too_long") return 400;
  if (error.reason == "unsupported_media_type" || error.reason == "content_type_not_allowed") return 415;
  if (error.reason == "document_too_large") return 413;
  if (error.reason == "request_timeout" || error.reason == "upload_too_slow") return 408;
  if (error.reason == "connection_lost") return 400;  // for the record: nobody is left to read it
  if (error.reason == "spool_full") return 507;
  if (error.reason == "idempotency_key_reused") return 422;
  // Whoever asks has shown who they are: it is the destination that will not.
  if (error.reason == "target_refused" || error.reason == "too_large_for_target") return 502;
  switch (error.kind) {
    case ErrorKind::invalid:
      return 400;
    case ErrorKind::refused:
      return error.reason == "invalid_credentials" ? 401 : 403;
    case ErrorKind::not_found:
      return 404;
    case ErrorKind::conflict:
    case ErrorKind::needs_person:
      return 409;
    case ErrorKind::unavailable:
    case ErrorKind::ambiguous:
    case ErrorKind::misconfigured:
      return 503;
    case ErrorKind::corrupt:
    case ErrorKind::bug:
      return 500;
  }
  return 500;
}

constexpr std::string_view kStoreAway = "The server's database does not answer at the moment. Try again in a while.";

}  // namespace

HttpResponse problem_of(const Error& error, JsonObject more) {
  const int status = status_of(error);
  // The store's and the disk's own words name hosts, users and folders.
  const bool store_away = error.reason == "store_unavailable" || error.reason == "commit_ambiguous";
  if (!error.field.empty() && !store_away && status != 500)
    more["errors"] = JsonArray{JsonObject{{"field", error.field}, {"message", error.text}}};
  const std::string code = status == 500 ? "internal_error" : error.reason;
  const std::string text = status == 500 ? "Something is wrong with what the server has stored; its log says more."
                           : store_away  ? std::string(kStoreAway)
                                         : error.text;
  const bool later = status == 429 || status == 503;
  const auto wait = error.retry_after.value_or(Seconds(5)).count();
  if (later) more["retry_after"] = wait;
  auto response = HttpResponse::problem(status, code, text, more);
  response.headers.set("Cache-Control", "no-store");
  if (status == 401) response.headers.set("WWW-Authenticate", kBasicChallenge);
  if (later) response.headers.set("Retry-After", std::to_string(wait));
  return response;
}

people::Attempt attempt_of(const HttpRequest& request, BasicCredentials credentials, std::uint32_t uses) {
  return {.username = std::move(credentials.username),
          .pin = std::move(credentials.pin),
          .source = request.source().text(),
          .address = address_text(request.client, request.client_known),
          .transport = transport_of(request),
          .uses = uses,
          .arrived = request.arrived};
}

Error no_credentials() {
  return {.kind = ErrorKind::refused, .reason = "invalid_credentials", .text = "Username or PIN is wrong."};
}

std::optional<HttpResponse> refuse_other_sites(const HttpRequest& request, std::string_view public_origin) {
  const auto origin = request.headers.find("Origin");
  const auto site = request.headers.find("Sec-Fetch-Site");
  const bool foreign_origin = origin && (public_origin.empty() || *origin != public_origin);
  const bool foreign_site = site && *site != "same-origin" && *site != "none";
  if (!foreign_origin && !foreign_site) return std::nullopt;
  return HttpResponse::problem(403, "foreign_origin", "Pages of other sites have no business here.")
      .with("Cache-Control", "no-store");
}

std::optional<HttpResponse> refuse_no_length(const HttpRequest& request) {
  if (request.headers.contains("Content-Length") || request.headers.contains("Transfer-Encoding")) return std::nullopt;
  return HttpResponse::problem(
             411, "length_required",
             "Say how long the document is (Content-Length), or send it in chunks: without either it looks empty.")
      .with("Cache-Control", "no-store");
}

std::optional<HttpResponse> refuse_codings(const HttpRequest& request) {
  const auto coding = request.headers.find("Content-Encoding");
  if (!coding || *coding == "identity") return std::nullopt;
  return HttpResponse::problem(415, "unsupported_media_type",
                               "Send the body as it is: no Content-Encoding is understood here.")
      .with("Cache-Control", "no-store");
}

}  // namespace latchkey::doors
