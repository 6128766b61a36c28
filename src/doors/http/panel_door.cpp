#include "doors/http/panel_door.h"

#include <optional>

#include "doors/http/door_request.h"

namespace latchkey::doors {
namespace {

using net::HttpRequest;
using net::HttpResponse;

constexpr std::size_t kFilterBytesMax = 200;

// Of "/v1/connectors/{connector}/list"; nullopt: another address.
std::optional<std::string> connector_in(std::string_view path) {
  constexpr std::string_view kBefore = "/v1/connectors/";
  constexpr std::string_view kBehind = "/list";
  if (!path.starts_with(kBefore) || !path.ends_with(kBehind) || path.size() <= kBefore.size() + kBehind.size())
    return std::nullopt;
  const auto name = path.substr(kBefore.size(), path.size() - kBefore.size() - kBehind.size());
  return name.contains('/') ? std::nullopt : std::optional<std::string>(name);
}

}  // namespace

Task<HttpResponse> PanelDoor::handle(HttpRequest request) {
  auto heard = ear_.hear(request);
  auto response = co_await serve(std::move(request), heard);
  ear_.keep(heard, response, kHttpDoor);
  co_return response;
}

Task<HttpResponse> PanelDoor::serve(HttpRequest request, HeardRequest& heard) {
  auto connector = connector_in(request.path);
  if (!connector)
    co_return HttpResponse::problem(404, "not_found", "There is nothing at this address.").with("Cache-Control", "no-store");
  if (request.method != "GET")
    co_return HttpResponse::problem(405, "method_not_allowed", "Ask with GET.")
        .with("Allow", "GET")
        .with("Cache-Control", "no-store");
  if (auto refusal = refuse_other_sites(request, public_origin_)) co_return std::move(*refusal);
  delivery::Panel::Question question{.connector = std::move(*connector),
                                     .kind = request.query_parameter("kind").value_or(""),
                                     .filter = request.query_parameter("filter").value_or("")};
  auto credentials = parse_basic(request.headers.find("Authorization").value_or(""));
  if (!credentials) co_return problem_of(no_credentials());
  auto admitted = co_await gate_.admit(attempt_of(request, std::move(*credentials), store::kUseList));
  heard.judged(admitted);
  if (!admitted) co_return problem_of(admitted.error());
  if (question.filter.size() > kFilterBytesMax)
    co_return problem_of(
        {.kind = ErrorKind::invalid, .reason = "bad_filter", .text = "The filter is too long.", .field = "filter"});
  const auto items = co_await panel_.list(delivery::submitter_of(std::move(*admitted)), std::move(question));
  if (!items) co_return problem_of(items.error());
  JsonArray shown;
  for (const auto& item : *items)
    shown.push_back(JsonObject{{"id", item.id}, {"name", item.name}, {"kind", item.kind}, {"size", item.size_bytes}});
  co_return HttpResponse::json(200, JsonObject{{"items", std::move(shown)}}).with("Cache-Control", "no-store");
}

}  // namespace latchkey::doors
