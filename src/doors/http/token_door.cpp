#include "doors/http/token_door.h"

#include <algorithm>

#include "doors/http/door_request.h"
#include "doors/http/token_request.h"

namespace latchkey::doors {
namespace {

using net::HttpRequest;
using net::HttpResponse;

HttpResponse answer(const grants::Handout& handout) {
  static const net::HttpHeaders kHeaders{{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};
  HttpResponse response;
  response.headers = kHeaders;
  response.body = write_handout(handout);
  return response;
}

}  // namespace

// What can be said without looking at the credentials. Browsers of other sites have no business here (G3).
std::optional<HttpResponse> TokenDoor::refuse_early(const HttpRequest& request) const {
  if (request.path != "/v1/token") return HttpResponse::problem(404, "not_found", "There is nothing at this address.");
  if (request.method != "POST") {
    return HttpResponse::problem(405, "method_not_allowed", "Ask with POST.")
        .with("Allow", "POST")
        .with("Cache-Control", "no-store");
  }
  if (!request.query.empty()) {
    return HttpResponse::problem(400, "invalid_request",
                                 "Nothing goes into the address: send `type` and `min_valid` in the body.")
        .with("Cache-Control", "no-store");
  }
  if (auto refusal = refuse_codings(request)) return refusal;
  if (auto refusal = refuse_other_sites(request, public_origin_)) return refusal;
  return std::nullopt;
}

std::optional<HttpResponse> TokenDoor::try_handle_now(const HttpRequest& request) {
  if (auto refusal = refuse_early(request)) return refusal;
  const auto header = request.headers.find("Authorization");
  auto credentials = header ? parse_basic(*header) : std::nullopt;
  if (!credentials) return problem_of(no_credentials());
  const auto wish = parse_token_request(request.content_type(), request.body);
  if (!wish) return std::nullopt;  // told only to who is admitted
  auto attempt = attempt_of(request, std::move(*credentials), store::kUseToken);
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
  auto admitted = co_await gate_.admit(attempt_of(request, std::move(*credentials), store::kUseToken));
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
