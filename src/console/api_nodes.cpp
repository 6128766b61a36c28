#include "console/api_nodes.h"

#include "base/run_on.h"
#include "console/fields.h"
#include "console/requester.h"
#include "console/views.h"

namespace latchkey::console {

namespace {

JsonObject node_json(const grants::NodeView& view) {
  JsonObject json;
  json["id"] = view.node.id.text();
  json["name"] = view.node.name;
  json["version"] = view.node.version;
  json["here"] = view.here;
  json["alive"] = view.alive;
  json["stopped"] = view.stopped;
  json["started_at"] = time_json(view.node.started_at);
  json["seen_at"] = time_json(view.node.seen_at);
  json["open_exchanges"] = view.open_exchanges;
  return json;
}

}  // namespace

std::vector<Route> NodesApi::routes() {
  return {
      {"GET", "/api/v1/nodes", Who::administrator, Carries::nothing_secret, 1024, [this](Call call) { return list(std::move(call)); }},
      {"DELETE", "/api/v1/nodes/{id}", Who::administrator, Carries::nothing_secret, 1024, [this](Call call) { return forget(std::move(call)); }},
  };
}

Task<Answer> NodesApi::list(Call call) {
  Query query(call.request);
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  const auto views = co_await nodes_.list();
  if (!views) co_return refuse(views.error());
  JsonArray items;
  for (const auto& view : *views) items.push_back(node_json(view));
  co_return net::HttpResponse::json(200, whole_list_json(std::move(items)));
}

Task<Answer> NodesApi::forget(Call call) {
  const auto id = NodeId::parse(call.values[0]);
  if (!id) co_return refuse(fail(ErrorKind::not_found, "no_such_node", "There is no such node.").error());
  const auto done = co_await base::run_on(engine_, nodes_.forget(*id, requester_of(call)));
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::no_content();
}

}  // namespace latchkey::console
