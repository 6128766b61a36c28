#include "doors/http/token_door.h"

#include <algorithm>

#include "doors/http/basic_credentials.h"
#include "doors/http/token_request.h"

namespace latchkey::doors {
namespace {

using net::HttpRequest;
using net::HttpResponse;

people::Transport transport_of(const HttpRequest& request) {
  if (request.scheme == "https") return people::Transport::tls;
  return request.is_confidential() ? people::Transport::loopback : people::Transport::clear;
}

int status_of(const Error& error) {
  if (error.reason == "too_many_attempts") return 429;
  if (error.reason == "use_not_allowed" || error.reason == "insecure_transport") return 403;
  if (error.reason == "unsupported_media_type") return 415;
  switch (error.kind) {
    case ErrorKind::invalid: return 400;
    case ErrorKind::refused: return 401;
    case ErrorKind::not_found: return 404;
    case ErrorKind::conflict:
    case ErrorKind::needs_person: return 409;
    case ErrorKind::unavailable:
    case ErrorKind::ambiguous:
    case ErrorKind::misconfigured: return 503;
    case ErrorKind::corrupt:
    case ErrorKind::bug: return 500;
  }
  return 500;
}

HttpResponse problem_of(const Error& error, JsonObject more = {}) {
  const int status = status_of(error);
  // The store's words name hosts, users and disks.
  const bool store_away = error.reason == "store_unavailable";
  if (!error.field.empty() && !store_away) more["errors"] = JsonArray{JsonObject{{"field", error.field}, {"message", error.text}}};
  const std::string code = status == 500 ? "internal_error" : error.reason;
  const std::string text = status == 500 ? "Something is wrong with what the server has stored; its log says more."
                           : store_away  ? "The server's database does not answer at the moment. Try again in a while."
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

HttpResponse answer(const grants::Handout& handout) {
  static const net::HttpHeaders kHeaders{{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};
  HttpResponse response;
  response.headers = kHeaders;
  response.body = write_handout(handout);
  return response;
}

people::Attempt attempt_of(const HttpRequest& request, BasicCredentials credentials) {
  return {.username = std::move(credentials.username), .pin = std::move(credentials.pin), .source = request.source().text(),
          .address = request.client.text(), .transport = transport_of(request), .uses = store::kUseToken, .arrived = request.arrived};
}

Error no_credentials() {
  return {.kind = ErrorKind::refused, .reason = "invalid_credentials", .text = "Username or PIN is wrong."};
}

}  // namespace

// What can be said without looking at the credentials. Browsers of other sites have no business here (G3).
std::optional<HttpResponse> TokenDoor::refuse_early(const HttpRequest& request) const {
  if (request.path != "/v1/token") return HttpResponse::problem(404, "not_found", "There is nothing at this address.");
  if (request.method != "POST") {
    return HttpResponse::problem(405, "method_not_allowed", "Ask with POST.").with("Allow", "POST").with("Cache-Control", "no-store");
  }
  if (!request.query.empty()) {
    return HttpResponse::problem(400, "invalid_request", "Nothing goes into the address: send `type` and `min_valid` in the body.")
        .with("Cache-Control", "no-store");
  }
  if (const auto coding = request.headers.find("Content-Encoding"); coding && *coding != "identity") {
    return HttpResponse::problem(415, "unsupported_media_type", "Send the body as it is: no Content-Encoding is understood here.")
        .with("Cache-Control", "no-store");
  }
  const auto origin = request.headers.find("Origin");
  const auto site = request.headers.find("Sec-Fetch-Site");
  const bool foreign_origin = origin && (public_origin_.empty() || *origin != public_origin_);
  const bool foreign_site = site && *site != "same-origin" && *site != "none";
  if (foreign_origin || foreign_site) {
    return HttpResponse::problem(403, "foreign_origin", "Pages of other sites may not ask for tokens.").with("Cache-Control", "no-store");
  }
  return std::nullopt;
}

std::optional<HttpResponse> TokenDoor::try_handle_now(const HttpRequest& request) {
  if (auto refusal = refuse_early(request)) return refusal;
  const auto header = request.headers.find("Authorization");
  auto credentials = header ? parse_basic(*header) : std::nullopt;
  if (!credentials) return problem_of(no_credentials());
  const auto wish = parse_token_request(request.content_type(), request.body);
  if (!wish) return std::nullopt;  // told only to who is admitted
  auto attempt = attempt_of(request, std::move(*credentials));
  const auto recognised = gate_.recognise(attempt);
  if (!recognised) return std::nullopt;
  const grants::Caller caller{.user = recognised->user, .auth_epoch = recognised->auth_epoch, .pin = std::move(attempt.pin)};
  if (const auto handout = desk_.hand_out_hot(caller, *wish)) return answer(*handout);
  return std::nullopt;
}

Task<HttpResponse> TokenDoor::ask_for_type(UserId user, Error error) {
  const auto held = co_await store_.grants_of_user(user);
  if (!held) co_return problem_of(held.error());
  std::vector<std::string> names;
  for (const auto& grant : *held) names.push_back(grant.type);
  std::ranges::sort(names);
  co_return problem_of(error, {{"types", JsonArray(names.begin(), names.end())}});
}

Task<HttpResponse> TokenDoor::handle(HttpRequest request) {
  auto credentials = parse_basic(request.headers.find("Authorization").value_or(""));
  if (!credentials) co_return problem_of(no_credentials());
  auto admitted = co_await gate_.admit(attempt_of(request, std::move(*credentials)));
  if (!admitted) co_return problem_of(admitted.error());
  auto wish = parse_token_request(request.content_type(), request.body);
  if (!wish) co_return problem_of(wish.error());
  grants::Caller caller{.user = admitted->user, .auth_epoch = admitted->auth_epoch, .pin = std::move(admitted->pin)};
  const auto user = admitted->user;
  const auto handout = co_await desk_.hand_out(std::move(caller), std::move(*wish));
  if (!handout && handout.error().reason == "type_required") co_return co_await ask_for_type(user, handout.error());
  if (!handout) co_return problem_of(handout.error());
  co_return answer(*handout);
}

}  // namespace latchkey::doors
