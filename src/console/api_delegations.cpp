#include "console/api_delegations.h"

#include "console/actor.h"
#include "console/views.h"

namespace latchkey::console {

std::vector<Route> DelegationsApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/users/{id}/delegations", Who::signed_in, kPlain, 1024, [this](Call call) { return list(std::move(call)); }},
      {"DELETE", "/api/v1/users/{id}/delegations/{connector}", Who::signed_in, kPlain, 1024,
       [this](Call call) { return end(std::move(call)); }},
  };
}

Task<Answer> DelegationsApi::list(Call call) {
  const auto id = UserId::parse(call.values[0]);
  if (!id || !call.principal.may_see(*id)) co_return refuse_not_found();
  const auto connectors = co_await desk_.delegated_by(*id);
  if (!connectors) co_return refuse(connectors.error());
  JsonArray items;
  for (const auto& connector : *connectors) {
    const auto view = co_await store_.grant(connector.delegation.grant);
    if (!view) co_return refuse(view.error());
    items.push_back(JsonObject{{"connector", connector.id},
                               {"name", connector.name},
                               {"type", connector.type},
                               {"account_name", *view ? (*view)->grant.account_name : std::string()},
                               {"since", time_json(connector.delegation.created_at)}});
  }
  co_return net::HttpResponse::json(200, whole_list_json(std::move(items)));
}

Task<Answer> DelegationsApi::end(Call call) {
  const auto id = UserId::parse(call.values[0]);
  if (!id || !call.principal.may_see(*id)) co_return refuse_not_found();
  const auto done = co_await desk_.end_delegation(call.values[1], *id, actor_of(call));
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::no_content();
}

}  // namespace latchkey::console
